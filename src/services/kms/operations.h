// The operations behind actions.cc, by area. For the files of this folder.
#pragma once
#include <mutex>
#include <unordered_map>

#include "engine/crypto/kms_blob.h"
#include "services/api/request.h"
#include "services/kms/key_cache.h"
#include "services/kms/rows.h"
#include "services/kms/service.h"

namespace coffer::kms {

/// Unsealed key material by key and version. Material never changes; what is deleted is forgotten, and everything some
/// minutes after it was unsealed.
class MaterialCache {
 public:
  MaterialCache(ByteView root, const Clock& clock) : root_(root), clock_(clock) {}
  Result<std::shared_ptr<const Secret>> get(catalog::Transaction& t, const rows::Key& key, int64_t version);
  void forget(const rows::Key& key);
  /// What has been here for too long; get() gives it out no more either.
  void forget_old();

 private:
  struct Entry {
    std::shared_ptr<const Secret> secret;
    MonoTime since;
  };
  ByteView root_;
  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> cache_;
};

/// What every operation works with.
struct Setting {
  iam::Authority& authority;
  ByteView root;
  Clock& clock;
  Entropy& entropy;
  Options options;
  MaterialCache& materials;
  KeyCache& keys;
};
using Request = api::Request<Setting>;

// keys named by callers
enum class Naming { kAny, kNoAlias };  // management operations take no alias
/// The key of this Region that `name` (id, ARN, alias, alias ARN) means; "NotFoundException", "InvalidArnException". A
/// foreign key that does not exist is an AccessDenied, so that its absence tells nothing.
Result<rows::Key> resolve(const Request&, std::string_view name, Naming naming);
/// For what nobody does to another account's key, whatever policies say: the same answer as for one that does not
/// exist.
Status check_own(const Request&, const rows::Key& key);
/// Of the input's member `KeyId`.
Result<rows::Key> key_of(const Request&, Naming naming, std::string_view member = "KeyId");
/// The key that a blob was made by; "InvalidCiphertextException".
Result<rows::Key> key_of_blob(const Request&, ByteView blob);
/// What hangs on a key that was found.
Result<KeyFactsPtr> facts_of(const Request&, const rows::Key& key);

// states
enum class Needs { kUsable, kNotPending, kPendingDeletion, kEnabledOrDisabled, kRotatable };
/// "DisabledException", "KMSInvalidStateException", "UnsupportedOperationException": the table of the KMS guide, "Key
/// states".
Status check_state(const rows::Key& key, Needs needs);
Status check_usage(const rows::Key& key, std::string_view usage);
bool is_pending_deletion(const rows::Key& key);

// what must be allowed
/// One decision on a key, with its policy, grants and condition keys. `grant_operation` empty: grants do not count.
Result<api::AccessRequest> access_to_key(const Request&, const rows::Key& key, std::string action,
                                         std::string_view grant_operation,
                                         const std::map<std::string, std::string>& context,
                                         api::ConditionKeys more = {});
Result<std::shared_ptr<const policy::Document>> parse_key_policy(std::string_view text);
std::string default_key_policy(std::string_view account);
/// Grammar, size, principals, and that the caller may change the policy again (unless `bypass`).
Status check_key_policy(const Request&, const rows::Key& key, std::string_view text, bool bypass);

/// Is the caller whom a grant on a key of `owner` names as grantee or retiring principal? An account is its root user
/// and, of another account than the key's, everybody whom its IAM policies allow.
bool is_principal_of_grant(const api::Caller& caller, std::string_view principal, std::string_view id,
                           std::string_view owner);
/// May the grantee of `parent`, who may create grants by it, create the one that the input asks for?
bool hands_on(const Request&, const rows::Grant& parent);
/// "InvalidGrantTokenException" for a token in the input's GrantTokens that no grant has.
Status check_grant_tokens(const Request&);
/// The grant that RetireGrant means; "InvalidGrantTokenException", "NotFoundException".
Result<rows::Grant> grant_to_retire(const Request&);

/// The marker that continues the list of this call behind `after`.
std::string marker_behind(const Request&, std::string_view after);
/// Behind what this page begins; empty: at the start. "InvalidMarkerException".
Result<std::string> begin_of_page(const Request&);

// material
Result<rows::Material> make_material(const Request&, const rows::Key& key, int64_t version, const Secret& secret,
                                     std::string_view rotation);
/// 64 bytes for symmetric keys, the size of the digest for HMAC keys, a PKCS#8 private key for asymmetric ones.
Result<Secret> generate_material(const Request&, std::string_view spec);
Status rotate(const Request&, rows::Key& key, std::string_view kind);

Result<api::Value> metadata(const Request&, const rows::Key& key);
/// kms:DryRun: "DryRunOperationException" when the input asks for it.
Status stop_dry_run(const Request&);

/// What a service asks for by itself, before it needs the AWS managed key ("alias/aws/s3") of an account: in no model.
Result<std::vector<api::AccessRequest>> only_for_services(const Request&);
Result<api::Value> create_aws_managed_key(const Request&);

/// Of CreateKey, under its new name, its old one or by default.
std::string requested_spec(const Request&);
Result<api::Value> create_key(const Request&);
Result<api::Value> describe_key(const Request&);
Result<api::Value> list_keys(const Request&);
Result<api::Value> enable_key(const Request&);
Result<api::Value> disable_key(const Request&);
Result<api::Value> update_key_description(const Request&);
Result<api::Value> schedule_key_deletion(const Request&);
Result<api::Value> cancel_key_deletion(const Request&);
Result<api::Value> tag_resource(const Request&);
Result<api::Value> untag_resource(const Request&);
Result<api::Value> list_resource_tags(const Request&);
Result<api::Value> get_key_policy(const Request&);
Result<api::Value> put_key_policy(const Request&);
Result<api::Value> list_key_policies(const Request&);
Result<api::Value> create_alias(const Request&);
Result<api::Value> update_alias(const Request&);
Result<api::Value> delete_alias(const Request&);
Result<api::Value> list_aliases(const Request&);
Result<api::Value> create_grant(const Request&);
Result<api::Value> list_grants(const Request&);
Result<api::Value> list_retirable_grants(const Request&);
Result<api::Value> retire_grant(const Request&);
Result<api::Value> revoke_grant(const Request&);
Result<api::Value> encrypt(const Request&);
Result<api::Value> decrypt(const Request&);
Result<api::Value> re_encrypt(const Request&);
Result<api::Value> generate_data_key(const Request&);
Result<api::Value> generate_data_key_without_plaintext(const Request&);
Result<api::Value> generate_random(const Request&);
Result<api::Value> generate_mac(const Request&);
Result<api::Value> verify_mac(const Request&);
Result<api::Value> enable_key_rotation(const Request&);
Result<api::Value> disable_key_rotation(const Request&);
Result<api::Value> get_key_rotation_status(const Request&);
Result<api::Value> list_key_rotations(const Request&);
Result<api::Value> rotate_key_on_demand(const Request&);
Result<api::Value> replicate_key(const Request&);
/// The replica that UpdatePrimaryRegion makes the primary; "UnsupportedOperationException", "NotFoundException".
Result<rows::Key> next_primary(const Request&, const rows::Key& primary);
Result<api::Value> update_primary_region(const Request&);
Result<api::Value> get_key_last_usage(const Request&);
Result<api::Value> generate_data_key_pair(const Request&);
Result<api::Value> generate_data_key_pair_without_plaintext(const Request&);
Result<api::Value> sign(const Request&);
Result<api::Value> verify(const Request&);
Result<api::Value> get_public_key(const Request&);
Result<api::Value> derive_shared_secret(const Request&);
Result<api::Value> get_parameters_for_import(const Request&);
Result<api::Value> import_key_material(const Request&);
Result<api::Value> delete_imported_key_material(const Request&);

/// The key of a ciphertext: named by the blob, or (asymmetric) by the input; "IncorrectKeyException" when both name one
/// and differ.
Result<rows::Key> decrypting_key(const Request&, std::string_view blob_member, std::string_view key_member,
                                 std::string_view algorithm);
/// Imported material that was deleted, or whose time is over: the key waits for it to come back.
Status drop_imported_material(catalog::Transaction& t, MaterialCache& cache, rows::Key key);

}  // namespace coffer::kms
