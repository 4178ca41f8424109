"""Every paginator and waiter of the installed models: with small pages all items come, each once.

An operation that this installation does not have is named, not failed: docs/aws-coverage.md gives the reason.
"""
import json

import botocore.exceptions
import botocore.session

from checks import check, client, end, equal, refused

SERVICES = ("iam", "sts", "organizations", "kms", "cloudtrail")
ABSENT = ("InvalidAction", "UnknownOperationException")
MAIN, SECOND = "111111111111", "222222222222"
COUNT = 5  # of everything that can be made, so that pages of 2 end with a short one
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]})
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{MAIN}:root"}, "Action": "sts:AssumeRole"}]})
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}]})


def tags(key="Key", value="Value"):
    return [{key: f"tag{n}", value: str(n)} for n in range(COUNT)]


def make_iam(iam):
    """Returns the arguments of each paginator that needs some."""
    policies = [iam.create_policy(PolicyName=f"policy{n}", PolicyDocument=ALLOW, Tags=tags())["Policy"]["Arn"] for n in range(COUNT)]
    for n in range(COUNT):
        iam.create_user(UserName=f"user{n}", Tags=tags())
        iam.create_role(RoleName=f"role{n}", AssumeRolePolicyDocument=TRUST, Tags=tags())
        iam.create_group(GroupName=f"group{n}")
    for _ in range(4):  # five versions at most
        iam.create_policy_version(PolicyArn=policies[0], PolicyDocument=ALLOW)
    for _ in range(2):  # two keys at most
        iam.create_access_key(UserName="user0")
    for n, arn in enumerate(policies):
        iam.attach_user_policy(UserName="user0", PolicyArn=arn)
        iam.attach_role_policy(RoleName="role0", PolicyArn=arn)
        iam.attach_group_policy(GroupName="group0", PolicyArn=arn)
        iam.put_user_policy(UserName="user0", PolicyName=f"inline{n}", PolicyDocument=ALLOW)
        iam.put_role_policy(RoleName="role0", PolicyName=f"inline{n}", PolicyDocument=ALLOW)
        iam.put_group_policy(GroupName="group0", PolicyName=f"inline{n}", PolicyDocument=ALLOW)
        iam.add_user_to_group(GroupName="group0", UserName=f"user{n}")
        iam.add_user_to_group(GroupName=f"group{n}", UserName="user0")
        if n:
            iam.attach_user_policy(UserName=f"user{n}", PolicyArn=policies[0])
            iam.attach_role_policy(RoleName=f"role{n}", PolicyArn=policies[0])
    user, role, group, policy = {"UserName": "user0"}, {"RoleName": "role0"}, {"GroupName": "group0"}, {"PolicyArn": policies[0]}
    actions = [f"s3:{name}" for name in ("GetObject", "PutObject", "DeleteObject", "ListBucket", "CreateBucket")]
    simulate = {"ActionNames": actions, "ResourceArns": ["*"]}
    return {
        "GetGroup": (group, COUNT), "ListAccessKeys": (user, 2), "ListAttachedGroupPolicies": (group, COUNT),
        "ListAttachedRolePolicies": (role, COUNT), "ListAttachedUserPolicies": (user, COUNT),
        "ListEntitiesForPolicy": (policy, 2 * COUNT + 1), "ListGroupPolicies": (group, COUNT), "ListGroups": ({}, COUNT),
        "ListGroupsForUser": (user, COUNT), "ListPolicies": ({"Scope": "Local"}, COUNT), "ListPolicyVersions": (policy, 5),
        "ListRolePolicies": (role, COUNT), "ListRoles": ({}, None), "ListUserPolicies": (user, COUNT), "ListUsers": ({}, COUNT),
        "ListUserTags": (user, COUNT), "ListRoleTags": (role, COUNT), "ListPolicyTags": (policy, COUNT),
        "SimulateCustomPolicy": ({"PolicyInputList": [ALLOW], **simulate}, COUNT),
        "SimulatePrincipalPolicy": ({"PolicySourceArn": f"arn:aws:iam::{MAIN}:user/user0", **simulate}, COUNT),
        "GetAccountAuthorizationDetails": ({}, None),
        # Nothing of these can be made here: an empty list, if the operation is there at all.
        "ListAccountAliases": ({}, None), "ListInstanceProfiles": ({}, None), "ListInstanceProfilesForRole": (role, None),
        "ListMFADevices": (user, None), "ListServerCertificates": ({}, None), "ListSigningCertificates": (user, None),
        "ListSSHPublicKeys": (user, None), "ListVirtualMFADevices": ({}, None),
        "ListInstanceProfileTags": ({"InstanceProfileName": "none"}, None), "ListMFADeviceTags": ({"SerialNumber": "arn:aws:iam::1:mfa/x"}, None),
        "ListOpenIDConnectProviderTags": ({"OpenIDConnectProviderArn": "arn:aws:iam::111111111111:oidc-provider/x"}, None),
        "ListSAMLProviderTags": ({"SAMLProviderArn": "arn:aws:iam::111111111111:saml-provider/x"}, None),
        "ListServerCertificateTags": ({"ServerCertificateName": "none"}, None),
    }


def make_kms(kms):
    keys = [kms.create_key(Tags=tags("TagKey", "TagValue"))["KeyMetadata"]["KeyId"] for _ in range(COUNT)]
    for n in range(COUNT):
        kms.create_alias(AliasName=f"alias/page{n}", TargetKeyId=keys[0])
        kms.create_grant(KeyId=keys[0], GranteePrincipal=f"arn:aws:iam::{MAIN}:role/role0",
                         RetiringPrincipal=f"arn:aws:iam::{MAIN}:role/role1", Operations=["Decrypt"], Name=f"grant{n}")
        if hasattr(kms, "rotate_key_on_demand"):
            kms.rotate_key_on_demand(KeyId=keys[0])
    key = {"KeyId": keys[0]}
    return {"ListAliases": (key, COUNT), "ListGrants": (key, COUNT), "ListKeyPolicies": (key, 1), "ListKeys": ({}, COUNT),
            "ListResourceTags": (key, COUNT), "ListKeyRotations": (key, COUNT),
            "ListRetirableGrants": ({"RetiringPrincipal": f"arn:aws:iam::{MAIN}:role/role1"}, COUNT),
            "DescribeCustomKeyStores": ({}, None)}


def make_organizations(organizations):
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    invited = organizations.invite_account_to_organization(Target={"Id": SECOND, "Type": "ACCOUNT"})["Handshake"]["Id"]
    client("organizations", "second").accept_handshake(HandshakeId=invited)
    made = [organizations.create_account(Email=f"a{n}@example.com", AccountName=f"a{n}")["CreateAccountStatus"] for n in range(COUNT)]
    ids = [organizations.describe_create_account_status(CreateAccountRequestId=m["Id"])["CreateAccountStatus"]["AccountId"] for m in made]
    for n in range(COUNT):
        organizations.create_organizational_unit(ParentId=root, Name=f"unit{n}")
        organizations.enable_aws_service_access(ServicePrincipal=f"{('backup', 'config', 'ram', 'sso', 'ipam')[n]}.amazonaws.com")
    if not any(t["Type"] == "SERVICE_CONTROL_POLICY" for t in organizations.list_roots()["Roots"][0]["PolicyTypes"]):
        organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    policies = [organizations.create_policy(Name=f"scp{n}", Description="", Type="SERVICE_CONTROL_POLICY", Content=DENY)["Policy"]["PolicySummary"]["Id"]
                for n in range(4)]  # five at most hang on one target, FullAWSAccess is one
    for policy in policies:
        organizations.attach_policy(PolicyId=policy, TargetId=ids[0])
    for account in ids[1:]:
        organizations.attach_policy(PolicyId=policies[0], TargetId=account)
    organizations.tag_resource(ResourceId=ids[0], Tags=tags())
    for n in range(3):
        organizations.register_delegated_administrator(AccountId=ids[n], ServicePrincipal="backup.amazonaws.com")
    kind = {"Filter": "SERVICE_CONTROL_POLICY"}
    return {"ListAccounts": ({}, COUNT + 2), "ListAccountsForParent": ({"ParentId": root}, COUNT + 2),
            "ListChildren": ({"ParentId": root, "ChildType": "ORGANIZATIONAL_UNIT"}, COUNT), "ListCreateAccountStatus": ({}, COUNT),
            "ListHandshakesForAccount": ({}, None), "ListHandshakesForOrganization": ({}, None),
            "ListOrganizationalUnitsForParent": ({"ParentId": root}, COUNT), "ListParents": ({"ChildId": ids[0]}, 1),
            "ListPolicies": (kind, 5), "ListPoliciesForTarget": ({"TargetId": ids[0], **kind}, 5), "ListRoots": ({}, 1),
            "ListTargetsForPolicy": ({"PolicyId": policies[0]}, COUNT), "ListAWSServiceAccessForOrganization": ({}, COUNT),
            "ListTagsForResource": ({"ResourceId": ids[0]}, COUNT), "ListDelegatedAdministrators": ({}, 3),
            "ListDelegatedServicesForAccount": ({"AccountId": ids[0]}, 1),
            "ListAccountsWithInvalidEffectivePolicy": ({"PolicyType": "BACKUP_POLICY"}, None),
            "ListEffectivePolicyValidationErrors": ({"AccountId": ids[0], "PolicyType": "BACKUP_POLICY"}, None)}


def make_cloudtrail(_):
    attribute = [{"AttributeKey": "EventName", "AttributeValue": "CreateUser"}]
    return {"LookupEvents": ({"LookupAttributes": attribute}, COUNT), "ListPublicKeys": ({}, None),
            "ListTags": ({"ResourceIdList": [f"arn:aws:cloudtrail:us-east-1:{MAIN}:trail/x"]}, None), "ListTrails": ({}, None),
            "ListImportFailures": ({"ImportId": "00000000-0000-0000-0000-000000000000"}, None), "ListImports": ({}, None),
            "ListInsightsData": ({"InsightSource": f"arn:aws:cloudtrail:us-east-1:{MAIN}:trail/x", "DataType": "InsightsEvents"}, None)}


MAKE = {"iam": make_iam, "kms": make_kms, "organizations": make_organizations, "cloudtrail": make_cloudtrail}


def collect(pages, keys):
    """All items of all pages as comparable text, and the largest page."""
    items, largest = [], 0
    for page in pages:
        mine = [json.dumps(item, sort_keys=True, default=str) for key in keys for item in page.get(key, [])]
        largest = max(largest, len(mine))
        items += mine
    return items, largest


def paginate(service, api, operation, config, arguments, wanted):
    name = f"{service} {operation}"
    keys = config["result_key"] if isinstance(config["result_key"], list) else [config["result_key"]]
    paginator = api.get_paginator(botocore.xform_name(operation))
    size = 2 if "limit_key" in config else None
    try:
        items, largest = collect(paginator.paginate(**arguments, PaginationConfig={"PageSize": size} if size else {}), keys)
        whole, _ = collect(paginator.paginate(**arguments), keys)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return name
        check(f"{name} pages", False, str(error))
        return None
    good = sorted(items) == sorted(whole) and len(set(items)) == len(items) and wanted in (None, len(items))
    check(f"{name} gives each of {len(whole)} items once", good and (not size or largest <= size),
          f"{len(items)} in small pages of at most {largest}, {len(set(items))} different, {len(whole)} in large pages, wanted {wanted}")
    return None


def limit_of_cli_tokens(iam):
    """Tokens that were not given by the service are refused, not believed."""
    refused("a marker that nobody gave is refused (iam)", "ValidationError", lambda: iam.list_users(Marker="AAAA"))
    refused("a marker that nobody gave is refused (kms)", "InvalidMarkerException", lambda: client("kms").list_keys(Marker="AAAA"))
    refused("a token that nobody gave is refused (organizations)", "InvalidInputException",
            lambda: client("organizations").list_accounts(NextToken="AAAA"))
    refused("a token that nobody gave is refused (cloudtrail)", "InvalidNextTokenException",
            lambda: client("cloudtrail").lookup_events(NextToken="AAAA"))


def waiters(iam):
    policy = iam.create_policy(PolicyName="awaited", PolicyDocument=ALLOW)["Policy"]["Arn"]
    there = {"user_exists": {"UserName": "user0"}, "role_exists": {"RoleName": "role0"}, "policy_exists": {"PolicyArn": policy},
             "instance_profile_exists": {"InstanceProfileName": "none"}}
    absent = []
    for name in sorted(iam.waiter_names):
        waiter = iam.get_waiter(name)
        try:
            waiter.wait(**there[name], WaiterConfig={"Delay": 0, "MaxAttempts": 2})
            check(f"the waiter {name} ends when it is there", True)
        except botocore.exceptions.WaiterError as error:
            code = error.last_response.get("Error", {}).get("Code")
            if code in ABSENT:
                absent.append(f"iam waiter {name}")
                continue
            check(f"the waiter {name} ends when it is there", False, str(error))
        key, value = next(iter(there[name].items()))
        try:
            waiter.wait(**{key: value + "x"}, WaiterConfig={"Delay": 0, "MaxAttempts": 2})
            check(f"the waiter {name} goes on waiting when it is not there", False, "it ended")
        except botocore.exceptions.WaiterError as error:
            check(f"the waiter {name} goes on waiting when it is not there", "Max attempts" in str(error), str(error))
    return absent


def main():
    loader, absent = botocore.session.get_session().get_component("data_loader"), []
    for service in SERVICES:
        try:
            paging = loader.load_service_model(service, "paginators-1")["pagination"]
        except botocore.exceptions.UnknownServiceError:
            paging = {}
        if not paging:
            continue
        api = client(service)
        made = MAKE[service](api)
        for operation in sorted(paging):
            if operation not in made:
                check(f"{service} {operation} has a test", False, "a new paginator: say in paginators.py what it pages through")
                continue
            arguments, wanted = made[operation]
            lacking = paginate(service, api, operation, paging[operation], arguments, wanted)
            absent += [lacking] if lacking else []
    limit_of_cli_tokens(client("iam"))
    absent += waiters(client("iam"))
    equal("what most backup users page through is there", [name for name in absent if name.split()[0] in ("kms", "organizations")
          and "CustomKeyStores" not in name and "EffectivePolicy" not in name], [])
    print("        not in this installation: " + ", ".join(absent))
    end()


main()
