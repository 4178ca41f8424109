// Which operation works in which state of a key: the table of the KMS guide, "Key states", cell by cell.
#include "services/kms/world.h"

namespace coffer::kms {
namespace {

constexpr const char* kStates[] = {"Enabled", "Disabled", "PendingDeletion", "PendingReplicaDeletion", "PendingImport"};

/// A key with everything that an operation may need, made while the key was usable.
struct Subject {
  std::string id, alias, grant, token;
  Bytes blob, mac, signature;
};

struct Case {
  const char* operation;
  Value (*input)(const Subject&);
  /// A letter for each of kStates: '+' works, 'D' DisabledException, 'S' KMSInvalidStateException, 'X'
  /// UnsupportedOperationException.
  const char* expected;
};

Value only_key(const Subject& s) { return object({{"KeyId", s.id}}); }

const Case kCases[] = {
    {"Encrypt",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"Plaintext", to_bytes("x")}});
     },
     "+DSSS"},
    {"Decrypt",
     [](const Subject& s) {
       return object({{"CiphertextBlob", s.blob}});
     },
     "+DSSS"},
    {"ReEncrypt",
     [](const Subject& s) {
       return object({{"CiphertextBlob", s.blob}, {"DestinationKeyId", s.id}});
     },
     "+DSSS"},
    {"GenerateDataKey",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"KeySpec", "AES_256"}});
     },
     "+DSSS"},
    {"GenerateDataKeyWithoutPlaintext",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"KeySpec", "AES_256"}});
     },
     "+DSSS"},
    {"GenerateDataKeyPair",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"KeyPairSpec", "ECC_NIST_P256"}});
     },
     "+DSSS"},
    {"GenerateDataKeyPairWithoutPlaintext",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"KeyPairSpec", "ECC_NIST_P256"}});
     },
     "+DSSS"},
    {"CreateGrant",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"GranteePrincipal", root_arn(kOther)}, {"Operations", texts({"Encrypt"})}});
     },
     "+DSSS"},
    {"CreateAlias",
     [](const Subject& s) {
       return object({{"AliasName", s.alias + "-too"}, {"TargetKeyId", s.id}});
     },
     "++SS+"},
    {"UpdateAlias",
     [](const Subject& s) {
       return object({{"AliasName", s.alias}, {"TargetKeyId", s.id}});
     },
     "++SS+"},
    {"DeleteAlias",
     [](const Subject& s) {
       return object({{"AliasName", s.alias}});
     },
     "+++++"},
    {"DescribeKey", only_key, "+++++"},
    {"GetKeyPolicy", only_key, "+++++"},
    {"PutKeyPolicy",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"Policy", key_policy({account_statement()})}});
     },
     "+++++"},
    {"ListKeyPolicies", only_key, "+++++"},
    {"ListAliases", only_key, "+++++"},
    {"ListGrants", only_key, "+++++"},
    {"ListResourceTags", only_key, "+++++"},
    {"RetireGrant",
     [](const Subject& s) {
       return object({{"GrantToken", s.token}});
     },
     "+++++"},
    {"RevokeGrant",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"GrantId", s.grant}});
     },
     "+++++"},
    {"EnableKey", only_key, "++SSS"},
    {"DisableKey", only_key, "++SSS"},
    {"EnableKeyRotation", only_key, "+DSSX"},
    {"DisableKeyRotation", only_key, "+DSSX"},
    {"RotateKeyOnDemand", only_key, "+DSSX"},
    {"GetKeyRotationStatus", only_key, "++++X"},
    {"ListKeyRotations", only_key, "+++++"},
    {"TagResource",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"Tags", tag_list({{"a", "b"}})}});
     },
     "++SS+"},
    {"UntagResource",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"TagKeys", texts({"a"})}});
     },
     "++SS+"},
    {"UpdateKeyDescription",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"Description", "new"}});
     },
     "++SS+"},
    {"ScheduleKeyDeletion", only_key, "++SS+"},
    {"CancelKeyDeletion", only_key, "SS++S"},
    {"GetKeyLastUsage", only_key, "+++++"},
};
const Case kSigningCases[] = {
    {"Sign",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"Message", to_bytes("m")}, {"SigningAlgorithm", "ECDSA_SHA_256"}});
     },
     "+DSS"},
    {"Verify",
     [](const Subject& s) {
       return object({{"KeyId", s.id},
                      {"Message", to_bytes("m")},
                      {"SigningAlgorithm", "ECDSA_SHA_256"},
                      {"Signature", s.signature}});
     },
     "+DSS"},
    {"GetPublicKey", only_key, "+DSS"},
    {"DescribeKey", only_key, "++++"},
    {"EnableKeyRotation", only_key, "XDSS"},
};
const Case kMacCases[] = {
    {"GenerateMac",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"Message", to_bytes("m")}, {"MacAlgorithm", "HMAC_SHA_256"}});
     },
     "+DSS"},
    {"VerifyMac",
     [](const Subject& s) {
       return object({{"KeyId", s.id}, {"Message", to_bytes("m")}, {"MacAlgorithm", "HMAC_SHA_256"}, {"Mac", s.mac}});
     },
     "+DSS"},
};

class States : public World {
 protected:
  Subject made(const std::string& wanted, Value input) {
    static int number = 0;
    Subject s;
    input.set("MultiRegion", true);
    if (wanted == "PendingImport") input.set("Origin", "EXTERNAL");
    s.id = key(input);
    if (wanted == "PendingImport") must(import(s.id, Bytes(32, std::byte{1})));
    s.alias = "alias/subject-" + std::to_string(++number);
    must(kms("CreateAlias", object({{"AliasName", s.alias}, {"TargetKeyId", s.id}})));
    const Value grant = must(
        kms("CreateGrant",
            object({{"KeyId", s.id}, {"GranteePrincipal", root_arn(kHome)}, {"Operations", texts({"DescribeKey"})}})));
    s.grant = grant.text("GrantId");
    s.token = grant.text("GrantToken");
    const std::string usage(describe(s.id).text("KeyUsage"));
    if (usage == "ENCRYPT_DECRYPT") s.blob = encrypt(s.id, "x");
    if (usage == "SIGN_VERIFY") s.signature = to_bytes(must(kms("Sign", kSigningCases[0].input(s))).blob("Signature"));
    if (usage == "GENERATE_VERIFY_MAC") s.mac = to_bytes(must(kms("GenerateMac", kMacCases[0].input(s))).blob("Mac"));
    if (wanted == "Disabled") must(kms("DisableKey", only_key(s)));
    if (wanted == "PendingReplicaDeletion")
      must(kms("ReplicateKey", object({{"KeyId", s.id}, {"ReplicaRegion", kFar}})));
    if (wanted.starts_with("Pending") && wanted.ends_with("Deletion")) must(kms("ScheduleKeyDeletion", only_key(s)));
    if (wanted == "PendingImport") must(kms("DeleteImportedKeyMaterial", only_key(s)));
    EXPECT_EQ(state(s.id), wanted);
    return s;
  }

  void walk(std::span<const Case> cases, const Value& input, size_t states) {
    const std::map<char, std::string> kErrors = {{'+', ""},
                                                 {'D', "DisabledException"},
                                                 {'S', "KMSInvalidStateException"},
                                                 {'X', "UnsupportedOperationException"}};
    for (const Case& one : cases) {
      for (size_t i = 0; i < states; ++i) {
        const Subject s = made(kStates[i], input);
        EXPECT_EQ(error_of(kms(one.operation, one.input(s))), kErrors.at(one.expected[i]))
            << one.operation << " of a key that is " << kStates[i];
      }
    }
  }
};

TEST_F(States, DecideWhatASymmetricKeyDoes) { walk(kCases, object({}), std::size(kStates)); }
TEST_F(States, DecideWhatASigningKeyDoes) {
  walk(kSigningCases, object({{"KeySpec", "ECC_NIST_P256"}, {"KeyUsage", "SIGN_VERIFY"}}), 4);
}
TEST_F(States, DecideWhatAMacKeyDoes) {
  walk(kMacCases, object({{"KeySpec", "HMAC_256"}, {"KeyUsage", "GENERATE_VERIFY_MAC"}}), 4);
}

TEST_F(States, OfBothKeysCountForReEncrypt) {
  const std::string good = key(), off = key();
  const Bytes blob = encrypt(good, "x");
  must(kms("DisableKey", object({{"KeyId", off}})));
  EXPECT_EQ(error_of(kms("ReEncrypt", object({{"CiphertextBlob", blob}, {"DestinationKeyId", off}}))),
            "DisabledException");
}

TEST_F(States, AnAliasLeavesAKeyThatIsGoingButNeverComesToOne) {
  const std::string going = key(), staying = key();
  must(kms("CreateAlias", object({{"AliasName", "alias/a"}, {"TargetKeyId", going}})));
  must(kms("ScheduleKeyDeletion", object({{"KeyId", going}})));
  EXPECT_EQ(error_of(kms("UpdateAlias", object({{"AliasName", "alias/a"}, {"TargetKeyId", staying}}))), "");
  EXPECT_EQ(error_of(kms("UpdateAlias", object({{"AliasName", "alias/a"}, {"TargetKeyId", going}}))),
            "KMSInvalidStateException");
}

TEST_F(States, ADisabledKeyWorksAgainWhenEnabled) {
  const std::string id = key();
  const Bytes blob = encrypt(id, "secret");
  must(kms("DisableKey", object({{"KeyId", id}})));
  EXPECT_FALSE(describe(id).flag("Enabled"));
  EXPECT_EQ(opened(blob), "DisabledException");
  must(kms("EnableKey", object({{"KeyId", id}})));
  EXPECT_TRUE(describe(id).flag("Enabled"));
  EXPECT_EQ(opened(blob), "secret");
}

}  // namespace
}  // namespace coffer::kms
