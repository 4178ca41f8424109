#include "edge/cli/progress_renderer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "edge/cli/text_table.h"
#include "edge/cli/units.h"

namespace coffer::cli {

using namespace std::chrono_literals;

namespace {

constexpr auto kWindow = 10s;
constexpr auto kTick = 200ms;
constexpr auto kLineEvery = 30s;   // without a terminal
constexpr auto kLineAtLeast = 2s;  // and never faster than this, however fast 10 % go by
constexpr auto kJsonEvery = 1s;
constexpr auto kWorthALine = 500ms;
constexpr int kBarMin = 10, kBarMax = 40;

std::string bar(double share, int cells, bool unicode) {
  const double filled = std::clamp(share, 0.0, 1.0) * cells;
  const int whole = static_cast<int>(filled);
  std::string text = "[";
  for (int i = 0; i < cells; ++i) {
    if (i < whole)
      text += unicode ? "\u2588" : "#";
    else if (unicode && i == whole && filled - whole >= 0.5)
      text += "\u258c";
    else
      text += unicode ? " " : "-";
  }
  return text + "]";
}

std::string eta_text(const ProgressView& view) {
  const auto eta = eta_of(view);
  if (!eta) return {};
  const bool early = percent_of(view).value_or(0) < 5;
  return std::string("ETA ") + (early ? "~" : "") + format_duration(*eta);
}

std::string amount_text(const ProgressView& view) {
  if (view.total_bytes == 0) return human_bytes(view.done_bytes);
  return human_bytes(view.done_bytes) + " of " + human_bytes(view.total_bytes);
}

std::string rate_text(double bytes_per_second) { return human_bytes(static_cast<uint64_t>(bytes_per_second)) + "/s"; }

std::string summary_text(const ProgressView& view) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(view.elapsed).count();
  std::string text = view.step + ": ";
  if (view.done_bytes == 0) return text + took(milliseconds);
  text += human_bytes(view.done_bytes) + " in " + took(milliseconds);
  if (milliseconds > 0)
    text += ", " + rate_text(static_cast<double>(view.done_bytes) * 1000 / static_cast<double>(milliseconds));
  return text;
}

}  // namespace

void RateWindow::add(MonoTime now, uint64_t done_bytes) {
  samples_.push_back({now, done_bytes});
  while (samples_.size() > 2 && now - samples_.front().at > kWindow) samples_.pop_front();
}

double RateWindow::bytes_per_second() const {
  if (samples_.size() < 2) return 0;
  const double seconds = std::chrono::duration<double>(samples_.back().at - samples_.front().at).count();
  if (seconds <= 0) return 0;
  return static_cast<double>(samples_.back().done_bytes - samples_.front().done_bytes) / seconds;
}

std::optional<int> percent_of(const ProgressView& view) {
  if (view.total_bytes == 0) return std::nullopt;
  // An estimate may be passed: 100 is said only by the end of the step.
  const double share = static_cast<double>(view.done_bytes) / static_cast<double>(view.total_bytes);
  return static_cast<int>(std::min(share, 1.0) * 100);
}

std::optional<std::chrono::seconds> eta_of(const ProgressView& view) {
  if (view.total_bytes == 0 || view.bytes_per_second < 1) return std::nullopt;
  const uint64_t left = view.total_bytes - std::min(view.total_bytes, view.done_bytes);
  return std::chrono::seconds(static_cast<int64_t>(static_cast<double>(left) / view.bytes_per_second + 0.5));
}

std::string progress_line(const ProgressView& view, int columns, bool unicode) {
  const auto width = static_cast<size_t>(std::max(columns - 1, 1));  // the last column makes some terminals wrap
  const std::string name = "  " + view.step;
  const std::string rate = view.bytes_per_second >= 1 ? "  " + rate_text(view.bytes_per_second) : "";
  const std::string eta = eta_of(view) ? "  " + eta_text(view) : "";
  const auto percent = percent_of(view);
  std::string amount = view.done_bytes > 0 || percent ? "  " + amount_text(view) : "";
  if (percent)
    amount = (*percent < 10 ? "   " : *percent < 100 ? "  " : " ") + std::to_string(*percent) + " %" + amount;
  if (amount.empty()) amount = "  " + format_duration(std::chrono::duration_cast<std::chrono::seconds>(view.elapsed));

  const size_t all = width_of(name + amount + rate + eta);
  if (percent && all + kBarMin + 4 <= width) {
    const int cells = std::min<int>(kBarMax, static_cast<int>(width - all) - 4);
    return name + "  " +
           bar(static_cast<double>(view.done_bytes) / static_cast<double>(view.total_bytes), cells, unicode) + amount +
           rate + eta;
  }
  if (all <= width) return name + amount + rate + eta;
  if (width_of(name + amount + rate) <= width) return name + amount + rate;
  if (width_of(name + amount) <= width) return name + amount;
  return (name + amount).substr(0, width);
}

ProgressRenderer::ProgressRenderer(Sink& sink, Clock& clock, ProgressStyle style, Ticker ticker)
    : sink_(sink), clock_(clock), style_(style), ticker_(ticker) {}

ProgressRenderer::~ProgressRenderer() { finish(); }

ProgressView ProgressRenderer::view() const {
  return {step_, done_bytes_.load(std::memory_order_relaxed), total_bytes_, rate_.bytes_per_second(),
          clock_.mono() - began_};
}

void ProgressRenderer::step(std::string_view name, uint64_t total_bytes) {
  if (style_.kind == ProgressStyle::Kind::kQuiet) return;
  std::lock_guard lock(mutex_);
  if (finished_) return;
  end_step();
  step_ = printable(name);
  total_bytes_ = total_bytes;
  done_bytes_.store(0, std::memory_order_relaxed);
  begin_step();
  if (ticker_ == Ticker::kOwnTask && !tasks_) {
    tasks_.emplace(Context());
    tasks_->spawn([this]() -> Status {
      std::unique_lock ticking(mutex_);
      while (!finished_) {
        if (changed_.wait_for(ticking, kTick) == std::cv_status::no_timeout) continue;
        ticking.unlock();
        tick();
        ticking.lock();
      }
      return ok_status();
    });
  }
}

void ProgressRenderer::begin_step() {
  began_ = last_line_ = clock_.mono();
  last_tenth_ = 0;
  rate_.clear();
  rate_.add(began_, 0);
  if (style_.kind == ProgressStyle::Kind::kJson) json_line();
  if (style_.kind == ProgressStyle::Kind::kLines)
    sink_.write("coffer: " + step_ + (total_bytes_ > 0 ? " (" + human_bytes(total_bytes_) + ")" : "") + "\n");
}

void ProgressRenderer::end_step() {
  if (step_.empty()) return;
  erase();
  const ProgressView now = view();
  switch (style_.kind) {
    case ProgressStyle::Kind::kTerminal:
      if (now.done_bytes > 0 || now.elapsed >= kWorthALine) sink_.write("  " + summary_text(now) + "\n");
      break;
    case ProgressStyle::Kind::kLines:
      if (now.elapsed >= kLineAtLeast) sink_.write("coffer: " + summary_text(now) + "\n");
      break;
    case ProgressStyle::Kind::kJson:
      if (now.done_bytes > 0) json_line();
      break;
    case ProgressStyle::Kind::kQuiet: break;
  }
  step_.clear();
}

void ProgressRenderer::note(std::string_view text) {
  if (style_.kind == ProgressStyle::Kind::kQuiet) return;
  std::lock_guard lock(mutex_);
  if (style_.kind == ProgressStyle::Kind::kJson) {
    sink_.write(nlohmann::json{{"schema", "coffer.note/1"}, {"text", text}}.dump(
                    -1, ' ', false, nlohmann::json::error_handler_t::replace) +
                "\n");
    return;
  }
  const bool was_drawn = drawn_;
  erase();
  sink_.write((style_.kind == ProgressStyle::Kind::kTerminal ? "  note: " : "coffer: note: ") + printable(text) + "\n");
  if (was_drawn) draw();
}

void ProgressRenderer::tick() {
  std::lock_guard lock(mutex_);
  if (step_.empty() || finished_) return;
  const MonoTime now = clock_.mono();
  rate_.add(now, done_bytes_.load(std::memory_order_relaxed));
  switch (style_.kind) {
    case ProgressStyle::Kind::kTerminal: return draw();
    case ProgressStyle::Kind::kLines: return periodic_line();
    case ProgressStyle::Kind::kJson:
      if (now - last_line_ >= kJsonEvery) json_line();
      return;
    case ProgressStyle::Kind::kQuiet: return;
  }
}

void ProgressRenderer::periodic_line() {
  const ProgressView now = view();
  const MonoTime at = clock_.mono();
  const int tenth = percent_of(now).value_or(0) / 10;
  const bool passed_a_tenth = tenth > last_tenth_ && at - last_line_ >= kLineAtLeast;
  if (!passed_a_tenth && at - last_line_ < kLineEvery) return;
  last_tenth_ = tenth;
  last_line_ = at;
  std::string line = "coffer: " + now.step;
  if (auto percent = percent_of(now)) line += " " + std::to_string(*percent) + " %";
  if (now.done_bytes > 0) line += ", " + amount_text(now) + ", " + rate_text(now.bytes_per_second);
  if (const std::string eta = eta_text(now); !eta.empty()) line += ", " + eta;
  if (now.done_bytes == 0)
    line += ", " + format_duration(std::chrono::duration_cast<std::chrono::seconds>(now.elapsed));
  sink_.write(line + "\n");
}

void ProgressRenderer::json_line() {
  const ProgressView now = view();
  last_line_ = clock_.mono();
  nlohmann::ordered_json line{
      {"schema", "coffer.progress/1"}, {"seq", sequence_++}, {"step", now.step}, {"done_bytes", now.done_bytes}};
  if (now.total_bytes > 0) line["total_bytes"] = now.total_bytes;
  if (now.bytes_per_second > 0) line["bytes_per_second"] = static_cast<uint64_t>(now.bytes_per_second);
  if (auto eta = eta_of(now)) line["eta_seconds"] = eta->count();
  sink_.write(line.dump() + "\n");
}

void ProgressRenderer::draw() {
  sink_.write("\r\x1b[K" + progress_line(view(), sink_.columns(), style_.unicode));
  drawn_ = true;
}

void ProgressRenderer::erase() {
  if (drawn_) sink_.write("\r\x1b[K");
  drawn_ = false;
}

void ProgressRenderer::finish() {
  {
    std::lock_guard lock(mutex_);
    if (finished_) return;
    end_step();
    finished_ = true;
    changed_.notify_all();
  }
  // The task takes the mutex, so it is waited for without it.
  if (tasks_) static_cast<void>(tasks_->wait().ok());
}

}  // namespace coffer::cli
