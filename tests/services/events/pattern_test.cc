// The pattern language: what is a pattern, and what it matches.
#include "services/events/pattern.h"

#include <gtest/gtest.h>

#include <random>

#include "naive_matcher.h"
#include "services/events/matcher.h"

namespace coffer::events {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}

bool matches(const std::string& event, const std::string& pattern) {
  const Pattern parsed = must(parse_pattern(pattern));
  const Json json = must(parse_json(event));
  const bool by_automaton = !Matcher({parsed}).match(json).empty();
  EXPECT_EQ(by_automaton, NaiveMatcher::matches(parsed, json)) << event << " " << pattern;
  return by_automaton;
}

std::string reason(const std::string& pattern) {
  const auto parsed = parse_pattern(pattern);
  if (parsed.ok()) return "";
  EXPECT_EQ(parsed.error().name, "InvalidEventPatternException");
  const std::string& message = parsed.error().message;
  static const std::string kBegin = "Event pattern is not valid. Reason: ";
  EXPECT_TRUE(message.starts_with(kBegin)) << message;
  return message.substr(kBegin.size(), message.find('\n') - kBegin.size());
}

struct Vector {
  const char *event, *pattern;
  bool matches;
};

TEST(Pattern, MatchesWhatEventBridgeMatches) {
  const char* const kArray = R"({"v":[{"k":"a","w":1},{"k":"b","w":2}]})";
  const Vector vectors[] = {
      {R"({"state":"COMPLETED","backupVaultName":"daily"})",
       R"({"state":["COMPLETED","FAILED"],"backupVaultName":["daily"]})", true},
      {R"({"n":300.0})", R"({"n":[300]})", true},
      {R"({"n":"300"})", R"({"n":[300]})", false},
      {R"({"n":5})", R"({"n":[{"numeric":[">",0,"<=",5]}]})", true},
      {R"({"n":null})", R"({"n":[{"numeric":[">",0]}]})", false},
      {R"({"a":[]})", R"({"a":[{"exists":true}]})", false},
      {R"({"a":[]})", R"({"a":[null]})", false},
      {R"({"a":null})", R"({"a":[{"exists":true}]})", true},
      {R"({"a":null})", R"({"a":[{"anything-but":"x"}]})", true},
      {R"({})", R"({"a":[{"anything-but":"x"}]})", false},
      {R"({"a":["x","y"]})", R"({"a":[{"anything-but":"x"}]})", true},
      {R"({"a":["x"]})", R"({"a":[{"anything-but":["x","y"]}]})", false},
      {R"({"a":7})", R"({"a":[{"anything-but":{"prefix":"x"}}]})", true},
      {R"({"s":{"t":"on"}})", R"({"s.t":["on"]})", true},
      {R"({"s":{"t":"on"}})", R"({"s":[{"exists":true}]})", false},
      {R"({"s":{"t":"on"}})", R"({"s":[{"exists":false}]})", true},
      {kArray, R"({"v":{"k":["a"],"w":[2]}})", false},
      {kArray, R"({"v":{"k":["a"],"w":[1]}})", true},
      {R"({"f":"dir/x.parquet"})", R"({"f":[{"wildcard":"dir/*.parquet"}]})", true},
      {R"({"f":"a*b"})", R"({"f":[{"wildcard":"a\\*b"}]})", true},
      {R"({"ip":"10.0.0.7"})", R"({"ip":[{"cidr":"10.0.0.0/24"}]})", true},
      {R"({"ip":123})", R"({"ip":[{"cidr":"10.0.0.0/24"}]})", false},
      {R"({"c":3,"d":20})", R"({"$or":[{"c":[{"numeric":[">",5]}]},{"d":[20]}]})", true},
      {R"({"e":""})", R"({"e":[{"prefix":""}]})", true},
      {R"({"e":"YES"})", R"({"e":[{"equals-ignore-case":"yes"}]})", true},
      {R"({"State":"x"})", R"({"state":["x"]})", false},
      {R"("{\"k\":1}")", R"({"k":[1]})", false},
      {R"({"e":{}})", R"({"e":{"x":[{"exists":false}]}})", true},
      {R"({"n":3e2})", R"({"n":[300]})", true},
      {R"({"n":300})", R"({"n":["300"]})", false},
      {R"({"a":[["x","y"],["z"]]})", R"({"a":["z"]})", true},
      {R"({"a":["x","y"],"b":["x","y"]})", R"({"a":["x"],"b":["y"]})", true},
      {R"({"a":[1,2],"b":{"c":1}})", R"({"a":[{"exists":false}],"b":{"c":[1]}})", false},
      {R"({"a":"y"})", R"({"a":["x",{"exists":false}]})", false},
      {R"({})", R"({"a":["x",{"exists":false}]})", true},
      {R"({"a":5})", R"({"a":[{"prefix":""}]})", false},
      {R"({"a":"X"})", R"({"a":[{"anything-but":{"equals-ignore-case":["x","y"]}}]})", false},
      {R"({"a":1,"b":2,"c":3})", R"({"$or":[{"a":[9]},{"b":[2]}],"c":[3]})", true},
      {R"({"a":1,"b":2,"c":4})", R"({"$or":[{"a":[9]},{"b":[2]}],"c":[3]})", false},
      {R"({"a":[{"b":1},{"c":2}]})", R"({"a":{"c":[{"exists":false}]}})", false},
      {R"({"a":[{"b":1,"c":2},{"b":1}]})", R"({"a":{"b":[1],"c":[{"exists":false}]}})", true},
      {R"({"a":[{"b":1,"c":2}]})", R"({"a":{"b":[1],"c":[{"exists":false}]}})", false},
      {R"({"a":[{"c":1,"b":2},{"c":1}]})", R"({"a":{"b":[{"exists":false}],"c":[1]}})", false},
      {R"({"ip":"2001:db8::1"})", R"({"ip":["2001:0db8:0000:0000:0000:0000:0000:0001"]})", true},
      {R"({"ip":"10.0.0.1"})", R"({"ip":[{"prefix":"10."}]})", true},
      {R"({"a.b":1})", R"({"a":{"b":[1]}})", true},
      {R"({"a":[]})", R"({"a":[{"anything-but":"x"}]})", false},
      {R"({"n":12345678901234567890})", R"({"n":[12345678901234567890]})", true},
      {R"({"n":12345678901234567890})", R"({"n":[{"numeric":[">",1]}]})", false},
      {R"({"a":[{"b":1,"c":8},{"b":2,"c":9}]})", R"({"a":{"b":[1],"c":[9]}})", false},
      {R"({"a":"ÄRGER"})", R"({"a":[{"equals-ignore-case":"ärger"}]})", true},
      {R"({"a":"STRASSE"})", R"({"a":[{"equals-ignore-case":"straße"}]})", false},
      {R"({"a":"Report.PDF"})", R"({"a":[{"suffix":{"equals-ignore-case":".pdf"}}]})", true},
      {R"({"a":"Report"})", R"({"a":[{"prefix":{"equals-ignore-case":"rep"}}]})", true},
      {R"({"a":"xaay"})", R"({"a":[{"wildcard":"x*a*a*y"}]})", true},
      {R"({"a":"xay"})", R"({"a":[{"wildcard":"x*a*a*y"}]})", false},
      {R"({"a":"aaa"})", R"({"a":[{"wildcard":"*aa*aa*"}]})", false},
      {R"({"a":"ab"})", R"({"a":[{"wildcard":"ab*b"}]})", false},
      {R"({"a":""})", R"({"a":[{"wildcard":""}]})", true},
      {R"({"a":-0.0})", R"({"a":[0]})", true},
      {R"({"a":true})", R"({"a":[true]})", true},
      {R"({"a":"true"})", R"({"a":[true]})", false},
      {R"({"n":7})", R"({"n":[{"anything-but":[7,8]}]})", false},
      {R"({"n":9})", R"({"n":[{"anything-but":[7,8]}]})", true},
      {R"({"f":"a/b.tmp"})", R"({"f":[{"anything-but":{"wildcard":["*.tmp","x*"]}}]})", false},
      {R"({"f":"a/b.txt"})", R"({"f":[{"anything-but":{"suffix":[".tmp"]}}]})", true},
  };
  int number = 0;
  for (const Vector& v : vectors) {
    ++number;
    EXPECT_EQ(matches(v.event, v.pattern), v.matches) << number << ": " << v.event << " " << v.pattern;
  }
}

TEST(Pattern, OfTwoFieldsOfOnePathTheLaterOneCounts) {
  EXPECT_TRUE(matches(R"({"a":"y"})", R"({"a":["x"],"a":["y"]})"));
  EXPECT_FALSE(matches(R"({"a":"x"})", R"({"a":["x"],"a":["y"]})"));
  EXPECT_FALSE(matches(R"({"a":{"b":1}})", R"({"a":{"b":[1]},"a":{"c":[1]}})"));
}

TEST(Pattern, SaysWhatIsWrongAsEventBridgeDoes) {
  const std::pair<const char*, const char*> wrong[] = {
      {"[]", "Filter is not an object"},
      {"{}", "Empty objects are not allowed"},
      {R"({"a":{}})", "Empty objects are not allowed"},
      {R"({"a":[]})", "Empty arrays are not allowed"},
      {R"({"a":"b"})", "\"a\" must be an object or an array"},
      {R"({"a":1})", "\"a\" must be an object or an array"},
      {R"({"a":[["x"]]})", "Match value must be String, number, true, false, or null"},
      {R"({"a":[{}]})", "Match expression name not found"},
      {R"({"a":[{"Prefix":"x"}]})", "Unrecognized match type Prefix"},
      {R"({"a":[{"prefix":"x","suffix":"y"}]})", "Only one key allowed in match expression"},
      {R"({"a":[{"prefix":1}]})", "prefix match pattern must be a string"},
      {R"({"a":[{"suffix":null}]})", "suffix match pattern must be a string"},
      {R"({"a":[{"wildcard":[]}]})", "wildcard match pattern must be a string"},
      {R"({"a":[{"equals-ignore-case":["x"]}]})", "equals-ignore-case match pattern must be a string"},
      {R"({"a":[{"anything-but":null}]})", "Value of anything-but must be an array or single string/number value."},
      {R"({"a":[{"anything-but":["x",null]}]})", "Inside anything but list, start|null|boolean is not supported."},
      {R"({"a":[{"anything-but":["x",1]}]})",
       "Inside anything but list, either all values are number or string, mixed type is not supported"},
      {R"({"a":[{"anything-but":[]}]})",
       "Inside anything but list, either all values are number or string, mixed type is not supported"},
      {R"({"a":[{"anything-but":{"cidr":"x"}}]})", "Unsupported anything-but pattern: cidr"},
      {R"({"a":[{"anything-but":{"prefix":1}}]})", "prefix match pattern must be a string"},
      {R"({"a":[{"anything-but":{"suffix":""}}]})", "Null prefix/suffix not allowed"},
      {R"({"a":[{"anything-but":{"equals-ignore-case":[1]}}]})",
       "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."},
      {R"({"n":[{"numeric":1}]})", "Value of numeric must be an array."},
      {R"({"n":[{"numeric":[1]}]})", "Invalid member in numeric match: 1"},
      {R"({"n":[{"numeric":["!",1]}]})", "Unrecognized numeric range operator: !"},
      {R"({"n":[{"numeric":["<","1"]}]})", "Value of < must be numeric"},
      {R"({"n":[{"numeric":[">",1,">",2]}]})", "Bad numeric range operator: >"},
      {R"({"n":[{"numeric":["<",10,">",1]}]})", "Too many elements in numeric expression"},
      {R"({"n":[{"numeric":[">",1,"<",2,3]}]})", "Too many terms in numeric range expression"},
      {R"({"n":[{"numeric":[">",10,"<",1]}]})", "Bottom must be less than top"},
      {R"({"a":[{"exists":"yes"}]})", "exists match pattern must be either true or false."},
      {R"({"a":[{"cidr":1}]})", "prefix match pattern must be a string"},
      {R"({"a":[{"cidr":"10.0.0.0"}]})", "Malformed CIDR, one '/' required"},
      {R"({"a":[{"cidr":"10.0.0.0/x"}]})", "Malformed CIDR, mask bits must be an integer"},
      {R"({"a":[{"cidr":"10.0.0.0/-1"}]})", "Malformed CIDR, mask bits must not be negative"},
      {R"({"a":[{"cidr":"10.0.0.0/32"}]})", "IPv4 mask bits must be < 32"},
      {R"({"a":[{"cidr":"2001:db8::/128"}]})", "IPv6 mask bits must be < 128"},
      {R"({"a":[{"cidr":"host/8"}]})", "Nonstandard IP address: host"},
      {R"({"a":[{"cidr":"10.0.0/8"}]})", "Invalid IP address: 10.0.0"},
      {R"({"a":[{"wildcard":"he**o"}]})", "Consecutive wildcard characters at pos 3"},
      {R"({"a":[{"wildcard":"a\\b"}]})", "Invalid escape character at pos 2"},
      {R"({"$or":{}})", "It must be an Array followed with $or."},
      {R"({"$or":[1,2]})", "Only JSON object is allowed in array of $or relationship."},
      {R"({"$or":[{"a":[1]}]})", "There must have at least 2 Objects in $or relationship."},
      {R"({"$or":[{"numeric":[1]},{"b":[2]}]})",
       "numeric is Ruler reserved fieldName which cannot be used inside $or."},
  };
  for (const auto& [pattern, expected] : wrong) EXPECT_EQ(reason(pattern), expected) << pattern;
}

TEST(Pattern, SaysWhereItIsWrong) {
  const auto parsed = parse_pattern(R"({"source":"aws"})");
  ASSERT_FALSE(parsed.ok());
  EXPECT_TRUE(parsed.error().message.ends_with("\n at [Source: (String)\"{\"source\":\"aws\"}\"; line: 1, column: 12]"))
      << parsed.error().message;
}

TEST(Pattern, AlternativesMultiplyUpToALimit) {
  std::string twice = R"({)";
  for (int i = 0; i < 9; ++i) {
    if (i > 0) twice += ",";
    twice += R"("$or":[{"a)" + std::to_string(i) + R"(":[1]},{"b)" + std::to_string(i) + R"(":[1]}])";
  }
  EXPECT_EQ(must(parse_pattern(twice + "}")).alternatives.size(), 512U);
  EXPECT_NE(reason(twice + R"(,"$or":[{"x":[1]},{"y":[1]}]})"), "");
}

/// Patterns and events that meet often, from few names and values.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  size_t below(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(engine_); }
  std::string pick(const std::vector<std::string>& of) { return of[below(of.size())]; }

  std::string scalar() {
    return pick({R"("x")", R"("y")", R"("xy")", R"("Xyx")", R"("10.0.0.1")", "1", "1.0", "2", "10", "true", "null",
                 R"("")", R"("aXbXc")"});
  }
  std::string name() { return pick({"a", "b", "c", "a.b", "d"}); }
  std::string event(int depth = 0) {
    std::string out = "{";
    const size_t count = below(4);
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out += ",";
      out += "\"" + name() + "\":" + value(depth + 1);
    }
    return out + "}";
  }
  std::string value(int depth) {
    const size_t kind = below(depth < 4 ? 4 : 1);
    if (kind == 0) return scalar();
    if (kind == 1) return event(depth);
    std::string out = "[";
    const size_t count = below(4);
    for (size_t i = 0; i < count; ++i) out += (i > 0 ? "," : "") + value(depth + 1);
    return out + "]";
  }

  std::string test() {
    switch (below(10)) {
      case 0: return R"({"prefix":)" + pick({R"("")", R"("x")", R"("xy")"}) + "}";
      case 1: return R"({"suffix":)" + pick({R"("y")", R"("x")", R"({"equals-ignore-case":"X"})"}) + "}";
      case 2: return R"({"anything-but":)" + pick({R"("x")", R"(["x","y"])", "1", R"({"prefix":"x"})"}) + "}";
      case 3: return R"({"exists":)" + pick({"true", "false"}) + "}";
      case 4: return R"({"numeric":)" + pick({R"([">",1])", R"(["<=",1])", R"([">=",1,"<",10])"}) + "}";
      case 5: return R"({"wildcard":)" + pick({R"("*X*X*")", R"("a*c")", R"("x*")", R"("*y*x")"}) + "}";
      case 6: return R"({"equals-ignore-case":)" + pick({R"("XY")", R"("xYx")"}) + "}";
      case 7: return R"({"cidr":"10.0.0.0/8"})";
      default: return scalar();
    }
  }
  std::string pattern(int depth = 0) {
    std::string out = "{";
    const size_t count = 1 + below(3);
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out += ",";
      const size_t kind = below(depth < 3 ? 6 : 2);
      if (kind == 5) {
        out += R"("$or":[)" + pattern(depth + 1) + "," + pattern(depth + 1) + "]";
        continue;
      }
      out += "\"" + name() + "\":";
      if (kind > 2) {
        out += pattern(depth + 1);
        continue;
      }
      out += "[" + test();
      for (size_t more = below(2); more > 0; --more) out += "," + test();
      out += "]";
    }
    return out + "}";
  }

 private:
  std::mt19937_64 engine_;
};

TEST(Matcher, AgreesWithThePlainMeaningOnRandomPatternsAndEvents) {
  size_t matched = 0, asked = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    std::vector<Pattern> patterns;
    std::vector<std::string> texts;
    for (int i = 0; i < 20; ++i) {
      texts.push_back(random.pattern());
      patterns.push_back(must(parse_pattern(texts.back())));
    }
    const Matcher matcher(patterns);
    for (int i = 0; i < 10; ++i) {
      const std::string text = random.event();
      const Json event = must(parse_json(text));
      std::vector<uint32_t> expected;
      for (uint32_t rule = 0; rule < patterns.size(); ++rule) {
        if (NaiveMatcher::matches(patterns[rule], event)) expected.push_back(rule);
      }
      const auto found = matcher.match(event);
      matched += expected.size();
      asked += patterns.size();
      for (uint32_t rule = 0; rule < patterns.size(); ++rule) {
        ASSERT_EQ(std::binary_search(found.begin(), found.end(), rule),
                  std::binary_search(expected.begin(), expected.end(), rule))
            << "seed " << seed << ": " << text << " " << texts[rule];
      }
    }
  }
  EXPECT_GT(matched * 50, asked);  // they do meet
}

TEST(Matcher, ALargeArrayCostsNoSquare) {
  std::string event = R"({"a":[)";
  for (int i = 0; i < 20'000; ++i) event += (i > 0 ? "," : "") + std::string(R"({"b":1,"c":2,"d":3})");
  event += "]}";
  const Json json = must(parse_json(event));
  EXPECT_FALSE(
      Matcher({must(parse_pattern(R"({"a":{"b":[1],"c":[2],"d":[4,{"exists":false}]}})"))}).match(json).size());
  EXPECT_TRUE(Matcher({must(parse_pattern(R"({"a":{"b":[1],"c":[2],"d":[3]}})"))}).match(json).size());
}

TEST(Matcher, ManyStarsAgainstALongTextEnd) {
  std::string stars, text(200'000, 'a');
  for (int i = 0; i < 500; ++i) stars += "*a";
  const std::string event = R"({"f":")" + text + "\"}";
  EXPECT_TRUE(!Matcher({must(parse_pattern(R"({"f":[{"wildcard":")" + stars + "*\"}]}"))})
                   .match(must(parse_json(event)))
                   .empty());
  EXPECT_TRUE(Matcher({must(parse_pattern(R"({"f":[{"wildcard":")" + stars + "*b*\"}]}"))})
                  .match(must(parse_json(event)))
                  .empty());
}

TEST(Pattern, AnyCutOfAPatternIsRefused) {
  const std::string whole =
      R"({"source":["aws.backup",{"prefix":"my."}],"detail":{"$or":[{"n":[{"numeric":[">",1]}]},{"s":[null,true]}]}})";
  must(parse_pattern(whole));
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(parse_pattern(whole.substr(0, size)).ok()) << size;
}

TEST(Pattern, FlippedBytesNeverDoMoreThanFail) {
  const std::string whole =
      R"({"a":[{"wildcard":"x*y\\*"},1.5e3,"é\u00e9"],"$or":[{"b":[{"cidr":"10.0.0.0/8"}]},{"c":[1]}]})";
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = whole;
      other[at] = static_cast<char>(other[at] ^ (1 << bit));
      const auto parsed = parse_pattern(other);
      if (parsed.ok()) static_cast<void>(Matcher({*parsed}).match(must(parse_json(R"({"a":["xzy*",1500],"c":1})"))));
    }
  }
}

}  // namespace
}  // namespace coffer::events
