// The codecs behind a pipe, for tests in other languages: one JSON command a line in, one JSON answer a line out.
//   {"do":"decode","service":S,"method":M,"target":T,"headers":[[N,V]],"body":BASE64}
//     -> {"operation":O,"input":VALUE,"refused":TEXT or null} or {"error":NAME,"message":TEXT}
//   {"do":"encode","service":S,"operation":O,"output":VALUE}        -> {"status":N,"headers":[[N,V]],"body":BASE64}
//   {"do":"fail","service":S,"operation":O,"code":N,"name":T,"message":T} -> the same
//   {"do":"match","pattern":P,"texts":[T]}                          -> {"matches":[BOOL]} or {"matches":null}
// A VALUE says its type: {"s":text} {"i":digits} {"d":text} {"b":bool} {"x":base64} {"t":micros} {"l":[..]}
// {"m":[[k,v]]}
#include <boost/json.hpp>
#include <iostream>
#include <string>

#include "base/base64.h"
#include "edge/wire/pattern_matcher.h"
#include "edge/wire/protocol.h"

namespace {

namespace json = boost::json;
using coffer::api::Value;

Value read_value(const json::value& given) {
  const auto& [tag, of] = *given.get_object().begin();
  const auto text = [&] { return std::string(std::string_view(of.get_string())); };
  switch (tag[0]) {
    case 's': return text();
    case 'i': return Value(static_cast<int64_t>(std::stoll(text())));
    case 'd': return std::stod(text());
    case 'b': return of.get_bool();
    case 'x': return *coffer::base64_decode(text());
    case 't': return coffer::WallTime{std::stoll(text())};
    case 'l': {
      coffer::api::List items;
      for (const json::value& item : of.get_array()) items.push_back(read_value(item));
      return items;
    }
    default: {
      coffer::api::Members members;
      for (const json::value& entry : of.get_array()) {
        const json::array& pair = entry.get_array();
        members.emplace_back(std::string(std::string_view(pair[0].get_string())), read_value(pair[1]));
      }
      return members;
    }
  }
}

json::value write_value(const Value& value) {
  if (const auto* text = value.get_if<std::string>()) return {{"s", *text}};
  if (const auto* number = value.get_if<int64_t>()) return {{"i", std::to_string(*number)}};
  if (const auto* flag = value.get_if<bool>()) return {{"b", *flag}};
  if (const auto* bytes = value.get_if<coffer::Bytes>()) return {{"x", coffer::base64_encode(*bytes)}};
  if (const auto* time = value.get_if<coffer::WallTime>()) return {{"t", std::to_string(time->micros)}};
  if (const auto* real = value.get_if<double>()) {
    char buffer[64];
    snprintf(buffer, sizeof buffer, "%.17g", *real);
    return {{"d", buffer}};
  }
  json::array parts;
  if (value.is_list()) {
    for (const Value& item : value.items()) parts.push_back(write_value(item));
    return {{"l", std::move(parts)}};
  }
  for (const auto& [name, one] : value.entries()) parts.push_back(json::array{name, write_value(one)});
  return {{"m", std::move(parts)}};
}

std::string text_at(const json::object& command, std::string_view key) {
  return std::string(std::string_view(command.at(key).get_string()));
}

json::value decode(const json::object& command) {
  coffer::wire::Request request;
  request.method = text_at(command, "method");
  request.target = text_at(command, "target");
  for (const json::value& header : command.at("headers").get_array()) {
    const json::array& pair = header.get_array();
    request.headers.add(std::string(std::string_view(pair[0].get_string())),
                        std::string(std::string_view(pair[1].get_string())));
  }
  request.body = coffer::to_text(*coffer::base64_decode(text_at(command, "body")));
  const coffer::wire::ServiceModel* service = coffer::wire::find_service(text_at(command, "service"));
  auto route = coffer::wire::find_route(*service, request);
  if (!route.ok()) return {{"error", route.error().name}, {"message", route.error().message}};
  auto input = coffer::wire::decode_input(*route, request);
  if (!input.ok()) return {{"error", input.error().name}, {"message", input.error().message}};
  const coffer::Status valid = coffer::wire::validate(*service, *route->operation, *input);
  json::object answer;
  answer["operation"] = route->operation->name;
  answer["input"] = write_value(*input);
  answer["refused"] = valid.ok() ? json::value() : json::value(valid.error().message);
  return answer;
}

json::value written(const coffer::wire::Response& response) {
  json::array headers;
  for (const auto& [name, value] : response.headers.fields()) headers.push_back(json::array{name, value});
  return {{"status", response.status},
          {"headers", std::move(headers)},
          {"body", coffer::base64_encode(coffer::as_bytes(response.body))}};
}

json::value answer(const json::object& command) {
  const std::string what = text_at(command, "do");
  if (what == "decode") return decode(command);
  if (what == "match") {
    const auto matcher = coffer::wire::PatternMatcher::compile(text_at(command, "pattern"));
    if (!matcher) return {{"matches", nullptr}};
    json::array found;
    for (const json::value& text : command.at("texts").get_array())
      found.push_back(matcher->matches(text.get_string()));
    return {{"matches", std::move(found)}};
  }
  const coffer::wire::ServiceModel* service = coffer::wire::find_service(text_at(command, "service"));
  const coffer::wire::OperationModel* operation = coffer::wire::find_operation(*service, text_at(command, "operation"));
  const std::string id = "11112222-3333-4444-8555-666677778888";
  if (what == "encode") {
    const coffer::wire::Route route{service, operation, {}};
    return written(coffer::wire::encode_output(route, read_value(command.at("output")), id));
  }
  coffer::Error error;
  error.code = static_cast<coffer::ErrorCode>(command.at("code").to_number<int>());
  error.name = text_at(command, "name");
  error.message = text_at(command, "message");
  return written(coffer::wire::encode_error(service, operation, error, id));
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    json::parse_options options;
    options.max_depth = 1'000;
    json::value said;
    try {
      said = answer(json::parse(line, {}, options).get_object());
    } catch (const std::exception& failure) {
      said = {{"failure", failure.what()}};
    }
    std::cout << said << std::endl;
  }
}
