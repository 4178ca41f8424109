#include "services/policy/random_situation.h"

#include <nlohmann/json.hpp>

namespace coffer::policy::testing {
namespace {

using nlohmann::json;

constexpr const char* kActions[] = {"s3:GetObject", "s3:PutObject", "kms:Decrypt", "kms:RetireGrant", "S3:getobject"};
constexpr const char* kActionPatterns[] = {
    "*",          "s3:*",    "s3:Get*", "s3:?etObject", "S3:GETOBJECT", "kms:*",         "kms:Decrypt",
    "s3:*Object", "s3:G*t*", "kms:*t*", "s3:PutObject", "iam:*",        "kms:RetireG*t?"};
constexpr const char* kResources[] = {"arn:aws:s3:::b/alice/k",
                                      "arn:aws:s3:::b/é/k",
                                      "arn:aws:s3:::b/*/k",
                                      "arn:aws:kms:us-east-1:111122223333:key/a:b",
                                      "arn:aws:kms:us-east-1:444455556666:key/k",
                                      "*"};
constexpr const char* kResourcePatterns[] = {"*",
                                             "*",
                                             "arn:aws:s3:::*",
                                             "arn:aws:s3:::b/*",
                                             "arn:aws:s3:::b/${aws:username}/*",
                                             "arn:aws:s3:::b/${aws:username, 'é'}/?",
                                             "arn:aws:s3:::b/?/k",
                                             "arn:aws:s3:::?/*l*/k",
                                             "arn:aws:s3:::b/${*}/k",
                                             "arn:aws:s3",
                                             "arn:aws:kms:us-*-1:*:key/*",
                                             "arn:aws:kms:*:key/k",
                                             "arn:*:kms:us-east-?:111122223333:*",
                                             "arn:aws:kms:us-east-1:1111222?3333",
                                             "arn:aws:kms:*4*:key/?",
                                             "arn:aws:s3:::b/${aws:PrincipalTag/team}/k",
                                             "arn:aws:kms:us-east-1:111122223333:key/${t:multi}"};

constexpr const char* kStringOperators[] = {
    "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase",
    "StringLike",   "StringNotLike"};
constexpr const char* kStringKeys[] = {"aws:username",          "T:K",        "t:k",   "t:multi",
                                       "aws:PrincipalTag/Team", "aws:userid", "t:none"};
constexpr const char* kStringValues[] = {"alice", "ALICE", "a*", "?lice", "${aws:username}", "${t:k}",     "x",
                                         "é",     "*",     "",   "${$}",  "${t:none, 'x'}",  "${t:multi}", "${?}"};
constexpr const char* kNumericOperators[] = {"NumericEquals",         "NumericNotEquals",   "NumericLessThan",
                                             "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"};
constexpr const char* kNumbers[] = {"1", "2", "-1", "1.50", "1.5", "10"};
constexpr const char* kDateOperators[] = {"DateEquals",         "DateNotEquals",   "DateLessThan",
                                          "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"};
constexpr const char* kDates[] = {"2024-02-29T12:00:00Z", "1709208000", "2024-02-29T12:00:01Z", "1700000000"};
constexpr const char* kBlocks[] = {"192.0.2.7", "192.0.2.0/24", "10.0.0.0/8", "0.0.0.0/0", "192.0.2.6/31"};
constexpr const char* kArnOperators[] = {"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"};
constexpr const char* kArnPatterns[] = {"arn:aws:iam::*:user/*",
                                        "arn:aws:iam::111122223333:user/${aws:username}",
                                        "arn:*:iam::1111*:r*",
                                        "arn:aws:iam:*:user/alice",
                                        "*",
                                        "arn:aws:iam::${aws:PrincipalAccount}:role/deploy",
                                        "arn:aws:iam::111122223333"};
constexpr const char* kOwnPrincipals[] = {"*",
                                          "111122223333",
                                          "arn:aws:iam::111122223333:root",
                                          "arn:aws:iam::444455556666:root",
                                          "arn:aws:iam::111122223333:user/alice",
                                          "arn:aws:iam::111122223333:role/deploy",
                                          "arn:aws:sts::111122223333:assumed-role/deploy/s1",
                                          "arn:aws:sts::111122223333:federated-user/fred",
                                          "AIDA0000000000000USER",
                                          "AROA0000000000000ROLE"};
constexpr const char* kServices[] = {"s3.amazonaws.com", "backup.amazonaws.com"};

/// One text, or a list of up to three.
template <class List>
json some(Chance& chance, const List& list) {
  if (chance.one_in(2)) return chance.pick(list);
  json all = json::array();
  for (size_t i = 0; i <= chance.number(3); ++i) all.push_back(chance.pick(list));
  return all;
}

void add_condition(Chance& chance, json& conditions) {
  std::string op, key = chance.pick(kStringKeys);
  json values;
  switch (chance.number(8)) {
    case 0:
      op = chance.pick(kNumericOperators), key = "t:n", values = some(chance, kNumbers);
      if (chance.one_in(3)) values = 1.5;
      break;
    case 1: op = chance.pick(kDateOperators), key = "t:d", values = some(chance, kDates); break;
    case 2: op = "Bool", key = chance.one_in(2) ? "aws:SecureTransport" : "t:b", values = chance.one_in(2); break;
    case 3:
      op = chance.one_in(2) ? "IpAddress" : "NotIpAddress", key = "aws:SourceIp", values = some(chance, kBlocks);
      break;
    case 4: op = chance.pick(kArnOperators), key = "aws:PrincipalArn", values = some(chance, kArnPatterns); break;
    case 5: conditions["Null"][key] = chance.one_in(2) ? json("true") : json(false); return;
    default: op = chance.pick(kStringOperators), values = some(chance, kStringValues); break;
  }
  if (chance.one_in(4)) op += "IfExists";
  if (chance.one_in(4)) op = (chance.one_in(2) ? "ForAllValues:" : "ForAnyValue:") + op;
  conditions[op][key] = values;
}

json random_principal(Chance& chance, bool negated) {
  if (!negated && chance.one_in(4)) return "*";
  json principal;
  if (!chance.one_in(4)) {
    // A NotPrincipal of few entries exempts nobody.
    json list = json::array();
    for (size_t i = 0; i < (negated ? 6 : 1 + chance.number(3)); ++i) {
      const std::string one = chance.pick(kOwnPrincipals);
      if (!negated || one != "*") list.push_back(one);
    }
    if (!list.empty()) principal["AWS"] = list;
  }
  if (principal.empty() || chance.one_in(4)) principal["Service"] = chance.pick(kServices);
  return principal;
}

std::vector<std::string> some_documents(Chance& chance, Kind kind, size_t count_max) {
  std::vector<std::string> documents;
  for (size_t i = chance.number(count_max + 1); i > 0; --i) documents.push_back(random_document(chance, kind));
  return documents;
}

std::vector<Level> some_levels(Chance& chance, Kind kind) {
  const std::string allow_all =
      kind == Kind::kService
          ? R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})"
          : R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}})";
  std::vector<Level> levels(1 + chance.number(3));
  for (Level& level : levels) {
    if (!chance.one_in(6)) level.push_back(allow_all);
    if (chance.one_in(3)) level.push_back(random_document(chance, kind, 2));
  }
  return levels;
}

api::Caller random_caller(Chance& chance) {
  const std::string account = chance.one_in(5) ? "444455556666" : "111122223333";
  api::Caller caller;
  switch (chance.number(8)) {
    case 0: caller = root(account); break;
    case 1: caller = federated_user(account, "fred"); break;
    case 2: caller = service(chance.pick(kServices)); break;
    case 3: caller = anonymous(); break;
    case 4:
    case 5: caller = role_session(account, "deploy", chance.one_in(3) ? "s2" : "s1"); break;
    default: caller = user(account, chance.one_in(4) ? "bob" : "alice"); break;
  }
  if (caller.kind == api::Caller::Kind::kFederatedUser && chance.one_in(3)) caller.principal_id = account;
  if (!caller.account.empty() && chance.one_in(2)) caller.tags["team"] = chance.pick(kStringValues);
  if (caller.kind == api::Caller::Kind::kRoleSession) caller.service_linked = chance.one_in(5);
  return caller;
}

}  // namespace

std::string random_statement(Chance& chance, Kind kind, std::string effect) {
  json s;
  if (effect.empty()) effect = chance.one_in(4) || kind == Kind::kResourceControl ? "Deny" : "Allow";
  s["Effect"] = effect;
  if (kind == Kind::kResourceControl) {
    s["Principal"] = "*";
    s["Action"] = chance.one_in(2) ? "s3:*" : "kms:Decrypt";
  } else if (kind == Kind::kTrust) {
    s["Action"] = "sts:*";
  } else {
    const bool negated = chance.one_in(6);
    s[negated ? "NotAction" : "Action"] = some(chance, kActionPatterns);
  }
  if (kind == Kind::kResource || kind == Kind::kKey || kind == Kind::kTrust) {
    const bool negated = effect == "Deny" && kind != Kind::kTrust && chance.one_in(3);
    s[negated ? "NotPrincipal" : "Principal"] = random_principal(chance, negated);
  }
  if (kind != Kind::kTrust) {
    const bool negated = chance.one_in(6);
    s[negated ? "NotResource" : "Resource"] = some(chance, kResourcePatterns);
  }
  if (chance.one_in(2)) {
    json conditions = json::object();
    for (size_t i = 0; i <= chance.number(2); ++i) add_condition(chance, conditions);
    s["Condition"] = conditions;
  }
  return s.dump();
}

std::string random_document(Chance& chance, Kind kind, size_t statements_max) {
  std::string statements;
  for (size_t i = 0; i <= chance.number(statements_max); ++i)
    statements += (i == 0 ? "" : ",") + random_statement(chance, kind);
  const std::string version = chance.one_in(10) ? R"("2008-10-17")" : R"("2012-10-17")";
  return R"({"Version":)" + version + R"(,"Statement":[)" + statements + "]}";
}

Situation random_situation(Chance& chance) {
  Situation s;
  s.caller = random_caller(chance);
  s.identity = some_documents(chance, Kind::kIdentity, 3);
  if (chance.one_in(4)) s.boundary = random_document(chance, Kind::kIdentity);
  if (chance.one_in(4)) s.session = some_documents(chance, Kind::kIdentity, 2);
  if (chance.one_in(4)) s.service_control = some_levels(chance, Kind::kService);
  if (chance.one_in(4)) s.resource_control = some_levels(chance, Kind::kResourceControl);
  static constexpr Kind kKinds[] = {Kind::kResource, Kind::kResource, Kind::kKey, Kind::kTrust};
  s.resource_kind = chance.pick(kKinds);
  if (!chance.one_in(4)) s.resource_policy = random_document(chance, s.resource_kind);
  s.granted = s.resource_kind == Kind::kKey && chance.one_in(6);
  const bool outside = s.caller.account.empty();
  if (outside || chance.one_in(3)) s.resource_account = chance.one_in(2) ? "111122223333" : "444455556666";
  s.action = s.resource_kind == Kind::kTrust ? "sts:AssumeRole" : chance.pick(kActions);
  s.resource = chance.pick(kResources);
  const auto maybe = [&](const char* key, auto value) {
    if (chance.one_in(2)) s.context[key] = value;
  };
  maybe("t:k", std::vector<std::string>{chance.pick(kStringValues)});
  maybe("T:Multi", std::vector<std::string>{"alice", chance.pick(kStringValues)});
  maybe("t:n", std::vector<std::string>{chance.pick(kNumbers)});
  maybe("t:d", std::vector<std::string>{chance.pick(kDates)});
  maybe("t:b", std::vector<std::string>{chance.one_in(2) ? "true" : "junk"});
  if (chance.one_in(8)) s.context["t:multi"] = {};
  return s;
}

}  // namespace coffer::policy::testing
