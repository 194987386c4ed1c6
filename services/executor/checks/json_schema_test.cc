#include "services/executor/checks/json_schema.h"

#include <string>

#include "gmock/gmock.h"
#include "libs/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace switchyard::executor::checks {
namespace {

using ::testing::HasSubstr;

SchemaResult Try(const std::string& schema, const std::string& document, std::uint64_t steps = 200'000) {
  const absl::StatusOr<ParsedJson> left = ParseStrangersJson(schema);
  const absl::StatusOr<ParsedJson> right = ParseStrangersJson(document);
  EXPECT_TRUE(left.ok() && right.ok()) << schema << " " << document;
  if (!left.ok() || !right.ok()) return {};
  return ValidateJson(left->json, right->json, {.steps = steps});
}

TEST(ParseStrangersJsonTest, SaysWhereItIsWrong) {
  EXPECT_EQ(ParseStrangersJson("{\"a\": 1,}").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(ParseStrangersJson("[1 2]").status().message()), HasSubstr("byte 4"));
  EXPECT_FALSE(ParseStrangersJson("").ok());
  EXPECT_FALSE(ParseStrangersJson("\xFF").ok());
  EXPECT_EQ(ParseStrangersJson("[1, [2, {}]]")->values, 5u);
}

TEST(ParseStrangersJsonTest, DepthAndSizeAreBounded) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(ParseStrangersJson(nested(256)).ok());
  EXPECT_EQ(ParseStrangersJson(nested(257)).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ParseStrangersJson(std::string(1'000'000, '[')).status().code(), absl::StatusCode::kResourceExhausted);
  std::string many = "[1";
  for (int i = 0; i < 2'000'000; ++i) many += ",1";
  EXPECT_EQ(ParseStrangersJson(many + "]").status().code(), absl::StatusCode::kResourceExhausted);
}

struct Case {
  const char* schema;
  const char* good;
  const char* bad;
};

TEST(ValidateJsonTest, KnowsTheKeywords) {
  for (const Case& c : std::initializer_list<Case>{
           {R"({"type":"string"})", R"("a")", "1"},
           {R"({"type":["integer","null"]})", "3.0", "3.5"},
           {R"({"type":"number"})", "1", "true"},
           {R"({"enum":[1,"a",[2]]})", "[2]", "[3]"},
           {R"({"const":{"a":1}})", R"({"a":1})", R"({"a":2})"},
           {R"({"minimum":2,"maximum":3})", "2.5", "3.5"},
           {R"({"exclusiveMinimum":2})", "2.1", "2"},
           {R"({"minimum":2,"exclusiveMinimum":true})", "3", "2"},
           {R"({"exclusiveMaximum":2})", "1", "2"},
           {R"({"multipleOf":0.1})", "0.3", "0.35"},
           {R"({"minLength":2,"maxLength":3})", "\"\xC3\xBC\xC3\xBC\"", "\"\xC3\xBC\""},
           {R"({"pattern":"^a+$"})", R"("aaa")", R"("b")"},
           {R"({"minItems":1,"maxItems":2})", "[1]", "[]"},
           {R"({"uniqueItems":true})", R"([1,"1",[1]])", "[[1],[1]]"},
           {R"({"items":{"type":"integer"}})", "[1,2]", "[1,true]"},
           {R"({"items":[{"type":"integer"}],"additionalItems":false})", "[1]", "[1,2]"},
           {R"({"prefixItems":[{"type":"integer"}],"items":{"type":"string"}})", R"([1,"a"])", "[1,2]"},
           {R"({"contains":{"const":1},"maxContains":1})", "[0,1]", "[1,1]"},
           {R"({"contains":{"const":1}})", "[0,1]", "[0]"},
           {R"({"required":["a"]})", R"({"a":null})", "{}"},
           {R"({"properties":{"a":{"type":"string"}}})", R"({"a":"x","b":1})", R"({"a":1})"},
           {R"({"properties":{"a":true},"additionalProperties":false})", R"({"a":1})", R"({"b":1})"},
           {R"({"additionalProperties":{"type":"integer"}})", R"({"a":1})", R"({"a":"1"})"},
           {R"({"patternProperties":{"^x":{"type":"integer"}},"additionalProperties":false})", R"({"xa":1})",
            R"({"xa":"1"})"},
           {R"({"propertyNames":{"maxLength":1}})", R"({"a":1})", R"({"ab":1})"},
           {R"({"minProperties":1,"maxProperties":1})", R"({"a":1})", R"({"a":1,"b":1})"},
           {R"({"dependencies":{"a":["b"]}})", R"({"a":1,"b":1})", R"({"a":1})"},
           {R"({"dependentSchemas":{"a":{"required":["b"]}}})", R"({"b":1})", R"({"a":1})"},
           {R"({"allOf":[{"type":"integer"},{"minimum":2}]})", "2", "1"},
           {R"({"anyOf":[{"type":"integer"},{"type":"string"}]})", R"("a")", "null"},
           {R"({"oneOf":[{"minimum":2},{"maximum":3}]})", "5", "2.5"},
           {R"({"not":{"type":"integer"}})", R"("a")", "1"},
           {R"({"if":{"type":"integer"},"then":{"minimum":2},"else":{"type":"string"}})", "2", "1"},
           {R"({"if":{"type":"integer"},"then":{"minimum":2},"else":{"type":"string"}})", R"("a")", "null"},
           {R"({"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"integer"}}})", "1", R"("a")"},
           {R"({"properties":{"next":{"$ref":"#"},"value":{"type":"integer"}}})", R"({"next":{"next":{"value":1}}})",
            R"({"next":{"next":{"value":"1"}}})"},
           {R"({"properties":{"a":false}})", "{}", R"({"a":1})"}}) {
    EXPECT_EQ(Try(c.schema, c.good).verdict, SchemaVerdict::kValid) << c.schema << " " << c.good;
    const SchemaResult bad = Try(c.schema, c.bad);
    EXPECT_EQ(bad.verdict, SchemaVerdict::kInvalid) << c.schema << " " << c.bad;
    EXPECT_THAT(bad.message, ::testing::StartsWith("at ")) << c.schema;
  }
}

TEST(ValidateJsonTest, SaysWhereAndQuotesNoValues) {
  const SchemaResult found = Try(R"({"properties":{"list":{"items":{"type":"integer"}}}})", R"({"list":[1,"hush"]})");
  EXPECT_THAT(found.message, HasSubstr("/list/1"));
  EXPECT_THAT(found.message, ::testing::Not(HasSubstr("hush")));
}

TEST(ValidateJsonTest, WhatIsNotKnownIsNeitherYesNorNo) {
  for (const char* schema :
       {R"({"$dynamicRef":"#a"})", R"({"unevaluatedProperties":false})", R"({"$ref":"https://example.com/a.json"})",
        R"({"$ref":"#/nowhere"})", R"({"$ref":7})", R"({"pattern":"(?=a)b"})", R"({"pattern":"(a)\\1"})",
        R"({"allOf":[7]})", R"({"multipleOf":0})"}) {
    for (const char* document : {R"("a")", "1"}) {
      const SchemaResult result = Try(schema, document);
      if (result.verdict == SchemaVerdict::kValid) continue;  // A keyword for values of another kind.
      EXPECT_EQ(result.verdict, SchemaVerdict::kUnable) << schema;
      EXPECT_FALSE(result.message.empty());
    }
  }
  EXPECT_EQ(Try(R"({"$ref":"#/nowhere"})", "1").verdict, SchemaVerdict::kUnable);
  EXPECT_EQ(Try(R"({"not":{"pattern":"(?=a)b"}})", R"("a")").verdict, SchemaVerdict::kUnable);
}

TEST(ValidateJsonTest, SchemasThatReferToThemselvesEnd) {
  for (const char* schema : {R"({"$ref":"#"})", R"({"allOf":[{"$ref":"#"}]})", R"({"not":{"$ref":"#"}})",
                             R"({"anyOf":[{"$ref":"#/anyOf/0"}]})", R"({"if":{"$ref":"#"}})"}) {
    EXPECT_EQ(Try(schema, "1").verdict, SchemaVerdict::kUnable) << schema;
  }
}

TEST(ValidateJsonTest, ExplosionsEnd) {
  std::string schema = "{\"$defs\":{\"a0\":{\"type\":\"string\"}";
  for (int i = 1; i <= 60; ++i) {
    const std::string ref = "{\"$ref\":\"#/$defs/a" + std::to_string(i - 1) + "\"}";
    schema += ",\"a" + std::to_string(i) + "\":{\"anyOf\":[" + ref + "," + ref + "]}";
  }
  schema += "},\"$ref\":\"#/$defs/a60\"}";
  EXPECT_EQ(Try(schema, "1").verdict, SchemaVerdict::kUnable);
}

TEST(ValidateJsonTest, PatternsTakeLinearTime) {
  const std::string text(200'000, 'a');
  EXPECT_EQ(Try(R"({"pattern":"^(a+)+$"})", "\"" + text + "b\"").verdict, SchemaVerdict::kInvalid);
  EXPECT_EQ(Try(R"({"pattern":"((a{1,30}){1,30}){1,30}"})", "\"b\"").verdict, SchemaVerdict::kUnable)
      << "too large to be compiled";
}

TEST(ValidateJsonTest, WhatIsFuzzedHoldsNearGoodInput) {
  const std::string seeds[] = {
      std::string(R"({"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"enum":[1,2.5,"x"]}}})") +
          '\0' + R"({"a":2.5,"b":[1,{"c":null}]})",
      std::string(R"({"anyOf":[{"minItems":2,"uniqueItems":true},{"not":{"pattern":"^a{1,3}[b-d]*$"}}]})") + '\0' +
          R"([1,1,"aab"])",
      std::string("src/**/[a-z]?.{cc,h}") + '\0' + "src/a/b/xy.cc",
      "password = \"Kx93mq7Pz\" https://u:pw12@h/ [redacted] -----BEGIN RSA PRIVATE" + std::string(" KEY-----\nMMMM")};
  const std::unique_ptr<Rng> rng = MakeSeededRng(7);
  for (int i = 0; i < 4'000; ++i) {
    std::string text = seeds[i % 4];
    for (std::uint64_t k = rng->Next() % 4; k > 0; --k) {
      const std::size_t at = rng->Next() % text.size();
      switch (rng->Next() % 3) {
        case 0:
          text[at] = static_cast<char>(rng->Next());
          break;
        case 1:
          text.erase(at, 1 + rng->Next() % 3);
          break;
        default:
          text.insert(at, text.substr(rng->Next() % text.size(), rng->Next() % 8));
      }
      if (text.empty()) text = "x";
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  }
}

TEST(ValidateJsonTest, StopsWhenAsked) {
  int asked = 0;
  SchemaBudget budget;
  budget.stop = [&asked] { return ++asked > 0; };
  std::string document = "[1";
  for (int i = 0; i < 100'000; ++i) document += ",1";
  const SchemaResult result = ValidateJson(ParseStrangersJson(R"({"items":{"type":"integer"}})")->json,
                                           ParseStrangersJson(document + "]")->json, budget);
  EXPECT_EQ(result.verdict, SchemaVerdict::kUnable);
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace switchyard::executor::checks
