// Access control lists: the canned ones, where the bucket's ownership setting lets lists count. A list is kept by its
// canned name: of a bucket as the setting "acl", of an object in its metadata as "ACL".
#pragma once
#include <string_view>

#include "services/s3/operations.h"

namespace coffer::s3 {

/// The canned list of a bucket; "private" when none was set, or when lists are off.
std::string_view list_of_bucket(const BucketView& bucket);
/// The same of a version of an object.
std::string_view list_of_object(const BucketView& bucket, const rows::Version& version);
/// A canned list spelled out, as `Owner` and `Grants`. `owner` has what it is of, an object or the bucket itself, whose
/// own account is `bucket_owner`.
api::Value spelled_out(std::string_view list, std::string_view owner, std::string_view bucket_owner);
/// The canned name of what a request's `AccessControlPolicy` spells out; empty: it has none.
std::string_view canned_name(const api::Value& policy, std::string_view owner, std::string_view bucket_owner);

/// Who owns an object that `r` writes: the writer, unless the bucket's owner has all that is in it or is given this.
std::string owner_of_new(const Request& r, const BucketView& bucket, std::string_view list);

/// Adds to `request`, an action on `bucket` (`version` null) or on an object in it, what lists say: that they allow it,
/// or that the object belongs to another account than the bucket.
void apply_lists(const Request& r, const BucketView& bucket, const rows::Version* version, api::AccessRequest& request);
/// Does the object's list, or its owner, matter for this action? Then apply_lists() has to see the version.
bool depends_on_object_list(const BucketView& bucket, std::string_view action);

}  // namespace coffer::s3
