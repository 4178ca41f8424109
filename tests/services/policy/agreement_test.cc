// What holds for all policies: a second, naive evaluation agrees; a Deny never allows more; order does not matter.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "services/policy/random_situation.h"
#include "services/policy/reference_evaluator.h"

namespace coffer::policy::testing {
namespace {

/// How many random situations are compared; COFFER_POLICIES overrides it.
int rounds() {
  const char* wanted = std::getenv("COFFER_POLICIES");
  return wanted ? std::atoi(wanted) : 20'000;
}

TEST(Evaluation, AgreesWithTheNaiveOne) {
  std::map<std::string, int> seen;
  for (int seed = 0; seed < rounds(); ++seed) {
    Chance chance(static_cast<uint64_t>(seed));
    const Situation situation = random_situation(chance);
    const std::string expected = reference_decision(situation);
    const std::string got = describe(decide(situation));
    ++seen[got];
    ASSERT_EQ(got, expected) << "seed " << seed << "\n" << describe(situation);
  }
  // The comparison is worth something only if every outcome occurs.
  for (const char* outcome :
       {"allow", "deny:identity", "deny:resource", "deny:boundary", "deny:session", "deny:scp", "deny:rcp",
        "none:identity", "none:resource", "none:boundary", "none:session", "none:scp", "none:rcp"})
    EXPECT_GT(seen[outcome], 0) << outcome;
}

std::string with_statement(const std::string& document, const std::string& statement) {
  auto json = nlohmann::json::parse(document);
  json["Statement"].push_back(nlohmann::json::parse(statement));
  return json.dump();
}

constexpr uint64_t kSituationsASeed = 20;

/// `property` on some situations for each seed that rapidcheck chooses.
template <class Property>
bool holds_for_all(const char* what, const Property& property) {
  return rc::check(what, [&](uint64_t seed) {
    for (uint64_t i = 0; i < kSituationsASeed; ++i) {
      Chance chance(seed * kSituationsASeed + i);
      property(chance, random_situation(chance));
    }
  });
}

template <class Change>
void each_document(Situation& s, const Change& change) {
  for (std::string& text : s.identity) change(text, Kind::kIdentity);
  if (s.boundary) change(*s.boundary, Kind::kIdentity);
  if (s.session) {
    for (std::string& text : *s.session) change(text, Kind::kIdentity);
  }
  if (s.resource_policy) change(*s.resource_policy, s.resource_kind);
}

TEST(Evaluation, AddingADenyNeverAllowsMore) {
  ASSERT_TRUE(holds_for_all("a Deny in any document", [](Chance& chance, Situation situation) {
    const bool before = decide(situation).allowed();

    each_document(situation, [&](std::string& text, Kind kind) {
      if (chance.one_in(2)) text = with_statement(text, random_statement(chance, kind, "Deny"));
    });

    RC_ASSERT(before || !decide(situation).allowed());
  }));
}

TEST(Evaluation, AddingAnAllowNeverLiftsADeny) {
  ASSERT_TRUE(holds_for_all("an Allow in any document", [](Chance& chance, Situation situation) {
    const Decision before = decide(situation);

    each_document(situation, [&](std::string& text, Kind kind) {
      text = with_statement(text, random_statement(chance, kind, "Allow"));
    });

    const Decision after = decide(situation);
    RC_ASSERT(before.outcome != Outcome::kExplicitDeny || describe(after) == describe(before));
    RC_ASSERT(!before.allowed() || after.allowed());
  }));
}

TEST(Evaluation, OrderOfStatementsAndPoliciesDoesNotMatter) {
  ASSERT_TRUE(holds_for_all("everything in another order", [](Chance& chance, Situation situation) {
    const std::string before = describe(decide(situation));

    const auto turn = [&](auto& list) {
      if (!list.empty())
        std::rotate(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(chance.number(list.size())), list.end());
      if (chance.one_in(2)) std::reverse(list.begin(), list.end());
    };
    each_document(situation, [&](std::string& text, Kind) {
      auto json = nlohmann::json::parse(text);
      auto statements = json["Statement"].get<std::vector<nlohmann::json>>();
      turn(statements);
      json["Statement"] = statements;
      text = json.dump();
    });
    turn(situation.identity);
    turn(situation.service_control);
    turn(situation.resource_control);

    RC_ASSERT(describe(decide(situation)) == before);
  }));
}

TEST(Evaluation, AskingForAnExplanationChangesNothing) {
  for (uint64_t seed = 0; seed < 2'000; ++seed) {
    Chance chance(seed);
    const Situation situation = random_situation(chance);
    Explanation explanation;

    const Decision explained = decide(situation, &explanation);

    ASSERT_EQ(describe(explained), describe(decide(situation))) << describe(situation);
    ASSERT_TRUE(explained.outcome != Outcome::kExplicitDeny || !explanation.matched.empty());
  }
}

}  // namespace
}  // namespace coffer::policy::testing
