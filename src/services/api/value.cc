#include "services/api/value.h"

namespace coffer::api {
namespace {

const List kNoItems;
const Members kNoMembers;

template <class T>
const T* member_of(const Value& object, std::string_view name) {
  const Value* member = object.find(name);
  return member ? member->get_if<T>() : nullptr;
}

template <class T>
std::optional<T> copy_of(const T* value) {
  return value ? std::optional<T>(*value) : std::nullopt;
}

}  // namespace

Value Value::object(std::initializer_list<Members::value_type> members) {
  Members kept;
  for (const auto& member : members) {
    if (!member.second.is_null()) kept.push_back(member);
  }
  return kept;
}

const Value* Value::find(std::string_view name) const {
  const Members* members = get_if<Members>();
  if (!members) return nullptr;
  for (const auto& [key, value] : *members) {
    if (key == name) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

Value& Value::set(std::string_view name, Value value) {
  if (is_null()) state_ = Members{};
  Members* members = get_if<Members>();
  COFFER_ASSERT(members);
  for (auto it = members->begin(); it != members->end(); ++it) {
    if (it->first != name) continue;
    if (value.is_null()) {
      members->erase(it);
    } else {
      it->second = std::move(value);
    }
    return *this;
  }
  if (!value.is_null()) members->emplace_back(std::string(name), std::move(value));
  return *this;
}

std::string_view Value::text(std::string_view name) const {
  const std::string* text = member_of<std::string>(*this, name);
  return text ? std::string_view(*text) : std::string_view();
}

std::optional<std::string> Value::text_if(std::string_view name) const {
  return copy_of(member_of<std::string>(*this, name));
}

std::optional<int64_t> Value::integer(std::string_view name) const { return copy_of(member_of<int64_t>(*this, name)); }

bool Value::flag(std::string_view name, bool otherwise) const {
  const bool* flag = member_of<bool>(*this, name);
  return flag ? *flag : otherwise;
}

std::optional<WallTime> Value::time(std::string_view name) const { return copy_of(member_of<WallTime>(*this, name)); }

ByteView Value::blob(std::string_view name) const {
  const Bytes* blob = member_of<Bytes>(*this, name);
  return blob ? ByteView(*blob) : ByteView();
}

const List& Value::list(std::string_view name) const {
  const Value* member = find(name);
  return member ? member->items() : kNoItems;
}

const Members& Value::members(std::string_view name) const {
  const Value* member = find(name);
  return member ? member->entries() : kNoMembers;
}

std::vector<std::string> Value::texts(std::string_view name) const {
  std::vector<std::string> texts;
  for (const Value& item : list(name)) {
    if (const std::string* text = item.get_if<std::string>()) texts.push_back(*text);
  }
  return texts;
}

std::map<std::string, std::string> Value::text_map(std::string_view name) const {
  std::map<std::string, std::string> map;
  for (const auto& [key, value] : members(name)) {
    if (const std::string* text = value.get_if<std::string>()) map[key] = *text;
  }
  return map;
}

const List& Value::items() const {
  const List* list = get_if<List>();
  return list ? *list : kNoItems;
}

const Members& Value::entries() const {
  const Members* members = get_if<Members>();
  return members ? *members : kNoMembers;
}

void Value::push_back(Value item) {
  if (is_null()) state_ = List{};
  List* list = get_if<List>();
  COFFER_ASSERT(list);
  list->push_back(std::move(item));
}

Value text_list(const std::vector<std::string>& texts) {
  List list;
  for (const std::string& text : texts) list.emplace_back(text);
  return list;
}

Value text_map(const std::map<std::string, std::string>& map) {
  Members members;
  for (const auto& [key, text] : map) members.emplace_back(key, text);
  return members;
}

}  // namespace coffer::api
