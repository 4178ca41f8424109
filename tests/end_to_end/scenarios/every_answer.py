"""One good answer of every operation that docs/aws-coverage.md says is here: each with as much in it as it can have. None may be
something that the models do not know."""
import base64
import json
import re

from daemon import ACCOUNT, TARGETS, VERSIONS, Daemon
from harness import REPOSITORY, check, equal, scenario
from scenarios.secrets import oaep

# No refusal of these services has an encoded message that could be decoded.
NEVER = {"sts DecodeAuthorizationMessage"}
SECOND, THIRD = "222222222222", "333333333333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
TAGS = [{"Key": "team", "Value": "a b"}, {"Key": "empty", "Value": ""}]
KMS_TAGS = [{"TagKey": "team", "TagValue": "a b"}]
S3_READ = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
                                                              "Condition": {"StringLike": {"aws:UserAgent": "*<&\">*"}}}]})
ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ROOT},
                                                            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}]})
CONTEXT = {"app": "one", "tenant": "a/b"}


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


class Tour:
    def __init__(self, daemon):
        self.daemon = daemon
        self.root, self.second, self.third = (daemon.client(daemon.root_keys(name)) for name in ("main", "second", "third"))

    def iam(self, operation, **parameters):
        return self.root.call("iam", operation, **parameters)

    def kms(self, operation, **parameters):
        return self.root.call("kms", operation, **parameters)

    def organizations(self, operation, **parameters):
        return self.root.call("organizations", operation, **parameters)

    # IAM

    def users_and_groups(self):
        iam = self.iam
        iam("CreateAccountAlias", AccountAlias="coffer-tour")
        iam("ListAccountAliases")
        boundary = iam("CreatePolicy", PolicyName="boundary", Path="/p/", PolicyDocument=ALL, Description="all & more", Tags=TAGS)["Arn"]
        iam("CreateUser", UserName="user", Path="/people/", PermissionsBoundary=boundary, Tags=TAGS)
        iam("CreateGroup", GroupName="group", Path="/groups/")
        iam("AddUserToGroup", GroupName="group", UserName="user")
        iam("PutUserPolicy", UserName="user", PolicyName="inline", PolicyDocument=S3_READ)
        iam("PutGroupPolicy", GroupName="group", PolicyName="inline", PolicyDocument=S3_READ)
        iam("AttachUserPolicy", UserName="user", PolicyArn=boundary)
        iam("AttachGroupPolicy", GroupName="group", PolicyArn=boundary)
        key = iam("CreateAccessKey", UserName="user")
        self.user = self.daemon.client((key["AccessKeyId"], key["SecretAccessKey"]))
        self.user.call("sts", "GetCallerIdentity")
        iam("GetAccessKeyLastUsed", AccessKeyId=key["AccessKeyId"])
        iam("UpdateAccessKey", UserName="user", AccessKeyId=key["AccessKeyId"], Status="Active")
        for operation in ("GetUser", "ListUserPolicies", "ListUserTags", "ListGroupsForUser", "ListAttachedUserPolicies", "ListAccessKeys"):
            iam(operation, UserName="user")
        for operation in ("GetGroup", "ListGroupPolicies", "ListAttachedGroupPolicies"):
            iam(operation, GroupName="group")
        iam("GetUserPolicy", UserName="user", PolicyName="inline")
        iam("GetGroupPolicy", GroupName="group", PolicyName="inline")
        iam("ListUsers", PathPrefix="/people/")
        iam("ListGroups")
        iam("PutUserPermissionsBoundary", UserName="user", PermissionsBoundary=boundary)
        iam("TagUser", UserName="user", Tags=[{"Key": "more", "Value": "x"}])
        iam("UntagUser", UserName="user", TagKeys=["more"])

    def policies(self):
        iam, arn = self.iam, f"arn:aws:iam::{ACCOUNT}:policy/versions"
        iam("CreatePolicy", PolicyName="versions", PolicyDocument=S3_READ)
        iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=ALL, SetAsDefault=True)
        iam("SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v1")
        iam("GetPolicy", PolicyArn=arn)
        iam("GetPolicyVersion", PolicyArn=arn, VersionId="v2")
        iam("ListPolicyVersions", PolicyArn=arn)
        iam("TagPolicy", PolicyArn=arn, Tags=TAGS)
        iam("ListPolicyTags", PolicyArn=arn)
        iam("UntagPolicy", PolicyArn=arn, TagKeys=["team"])
        iam("ListPolicies", Scope="All", OnlyAttached=False)
        iam("ListEntitiesForPolicy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p/boundary")
        iam("DeletePolicyVersion", PolicyArn=arn, VersionId="v2")
        iam("DeletePolicy", PolicyArn=arn)
        simulated = {"ActionNames": ["s3:GetObject", "s3:PutObject"], "ResourceArns": ["arn:aws:s3:::bucket/key"],
                     "ContextEntries": [{"ContextKeyName": "aws:UserAgent", "ContextKeyType": "string", "ContextKeyValues": ["x<&\">y"]}]}
        iam("SimulateCustomPolicy", PolicyInputList=[S3_READ], **simulated)
        iam("SimulatePrincipalPolicy", PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/people/user", **simulated)
        iam("GetContextKeysForCustomPolicy", PolicyInputList=[S3_READ])
        iam("GetContextKeysForPrincipalPolicy", PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/people/user")

    def roles(self):
        iam, role, boundary = self.iam, {"RoleName": "role"}, f"arn:aws:iam::{ACCOUNT}:policy/p/boundary"
        iam("CreateRole", **role, Path="/roles/", AssumeRolePolicyDocument=TRUST, Description="d", MaxSessionDuration=7200,
            PermissionsBoundary=boundary, Tags=TAGS)
        iam("PutRolePolicy", **role, PolicyName="inline", PolicyDocument=ALL)
        iam("AttachRolePolicy", **role, PolicyArn=boundary)
        iam("UpdateAssumeRolePolicy", **role, PolicyDocument=TRUST)
        iam("UpdateRole", **role, Description="new", MaxSessionDuration=3600)
        iam("UpdateRoleDescription", **role, Description="newer")
        iam("TagRole", **role, Tags=[{"Key": "more", "Value": "x"}])
        iam("UntagRole", **role, TagKeys=["more"])
        iam("PutRolePermissionsBoundary", **role, PermissionsBoundary=boundary)
        arn = f"arn:aws:iam::{ACCOUNT}:role/roles/role"
        assumed = self.root_user().call("sts", "AssumeRole", RoleArn=arn, RoleSessionName="tour", Policy=S3_READ, PolicyArns=[{"arn": boundary}],
                                        Tags=TAGS[:1], TransitiveTagKeys=["team"], SourceIdentity="me")
        session = self.daemon.client((assumed["AccessKeyId"], assumed["SecretAccessKey"]))
        session.token = assumed["SessionToken"]
        session.call("sts", "GetCallerIdentity")
        for operation in ("GetRole", "ListRolePolicies", "ListRoleTags", "ListAttachedRolePolicies", "ListInstanceProfilesForRole"):
            iam(operation, **role)
        iam("GetRolePolicy", **role, PolicyName="inline")
        iam("ListRoles", PathPrefix="/roles/")
        iam("CreateServiceLinkedRole", AWSServiceName="backup.amazonaws.com", Description="d")
        iam("GetAccountSummary")
        iam("GetAccountAuthorizationDetails")
        task = iam("DeleteServiceLinkedRole", RoleName="AWSServiceRoleForBackup")["DeletionTaskId"]
        iam("GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task)

    def root_user(self):
        """Someone who may do everything and is no root: a root assumes no roles."""
        self.iam("CreateUser", UserName="admin")
        self.iam("PutUserPolicy", UserName="admin", PolicyName="all", PolicyDocument=ALL)
        key = self.iam("CreateAccessKey", UserName="admin")
        self.admin = self.daemon.client((key["AccessKeyId"], key["SecretAccessKey"]))
        return self.admin

    def tokens(self):
        self.admin.call("sts", "GetSessionToken", DurationSeconds=900)
        self.admin.call("sts", "GetFederationToken", Name="fed", Policy=S3_READ, Tags=TAGS[:1])
        self.admin.call("sts", "GetAccessKeyInfo", AccessKeyId=self.admin.access_key)

    def unmake(self):
        iam, boundary = self.iam, f"arn:aws:iam::{ACCOUNT}:policy/p/boundary"
        iam("RemoveUserFromGroup", GroupName="group", UserName="user")
        for kind, name in (("User", "user"), ("Group", "group"), ("Role", "role")):
            iam(f"Delete{kind}Policy", **{f"{kind}Name": name}, PolicyName="inline")
            iam(f"Detach{kind}Policy", **{f"{kind}Name": name}, PolicyArn=boundary)
            if kind != "Group":
                iam(f"Delete{kind}PermissionsBoundary", **{f"{kind}Name": name})
        iam("UpdateUser", UserName="user", NewUserName="renamed", NewPath="/")
        iam("UpdateGroup", GroupName="group", NewGroupName="renamed")
        iam("DeleteAccessKey", UserName="renamed", AccessKeyId=self.user.access_key)
        iam("DeleteUser", UserName="renamed")
        iam("DeleteGroup", GroupName="renamed")
        iam("DeleteRole", RoleName="role")
        iam("DeleteAccountAlias", AccountAlias="coffer-tour")

    # KMS

    def keys(self):
        kms = self.kms
        made = kms("CreateKey", Description="d", Tags=KMS_TAGS, MultiRegion=True)["KeyMetadata"]
        key = {"KeyId": made["KeyId"]}
        kms("CreateAlias", AliasName="alias/tour", TargetKeyId=made["KeyId"])
        other = kms("CreateKey")["KeyMetadata"]["KeyId"]
        kms("UpdateAlias", AliasName="alias/tour", TargetKeyId=other)
        kms("UpdateKeyDescription", **key, Description="new")
        kms("TagResource", **key, Tags=[{"TagKey": "more", "TagValue": ""}])
        kms("UntagResource", **key, TagKeys=["more"])
        kms("ReplicateKey", **key, ReplicaRegion="us-east-2")
        moved = {"KeyId": kms("CreateKey", MultiRegion=True)["KeyMetadata"]["KeyId"]}
        kms("ReplicateKey", **moved, ReplicaRegion="us-east-2")
        kms("UpdatePrimaryRegion", **moved, PrimaryRegion="us-east-2")
        grant = kms("CreateGrant", **key, Name="g", GranteePrincipal=ROOT, RetiringPrincipal=ROOT, Operations=["Decrypt", "DescribeKey"],
                    Constraints={"EncryptionContextSubset": CONTEXT})
        for operation in ("DescribeKey", "ListGrants", "ListResourceTags", "ListKeyPolicies", "GetKeyPolicy"):
            kms(operation, **key)
        kms("ListRetirableGrants", RetiringPrincipal=ROOT)
        kms("RevokeGrant", **key, GrantId=grant["GrantId"])
        grant = kms("CreateGrant", **key, GranteePrincipal=ROOT, Operations=["Decrypt"])
        kms("RetireGrant", GrantToken=grant["GrantToken"])
        kms("PutKeyPolicy", **key, PolicyName="default", Policy=kms("GetKeyPolicy", **key, PolicyName="default")["Policy"])
        kms("ListKeys")
        kms("ListAliases")
        for operation in ("EnableKeyRotation", "RotateKeyOnDemand", "GetKeyRotationStatus", "ListKeyRotations", "DisableKeyRotation",
                          "GetKeyRotationStatus", "DisableKey", "DescribeKey", "EnableKey"):
            kms(operation, **key)
        blob = kms("Encrypt", **key, Plaintext=base64_of("text"), EncryptionContext=CONTEXT)["CiphertextBlob"]
        kms("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)
        kms("GetKeyLastUsage", **key)
        kms("ReEncrypt", CiphertextBlob=blob, SourceEncryptionContext=CONTEXT, DestinationKeyId=other)
        kms("GenerateDataKey", **key, KeySpec="AES_256", EncryptionContext=CONTEXT)
        kms("GenerateDataKeyWithoutPlaintext", **key, NumberOfBytes=24)
        kms("GenerateDataKeyPair", **key, KeyPairSpec="ECC_NIST_P256")
        kms("GenerateDataKeyPairWithoutPlaintext", **key, KeyPairSpec="RSA_2048")
        kms("GenerateRandom", NumberOfBytes=5)
        kms("DeleteAlias", AliasName="alias/tour")
        kms("ScheduleKeyDeletion", KeyId=other, PendingWindowInDays=7)
        kms("DescribeKey", KeyId=other)
        kms("CancelKeyDeletion", KeyId=other)

    def other_keys(self):
        kms = self.kms
        for spec, algorithm in (("ECC_NIST_P256", "ECDSA_SHA_256"), ("RSA_2048", "RSASSA_PSS_SHA_256")):
            key = {"KeyId": kms("CreateKey", KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"], "SigningAlgorithm": algorithm}
            signature = kms("Sign", **key, Message=base64_of("m"))["Signature"]
            kms("Verify", **key, Message=base64_of("m"), Signature=signature)
            kms("GetPublicKey", KeyId=key["KeyId"])
            kms("DescribeKey", KeyId=key["KeyId"])
        mac = {"KeyId": kms("CreateKey", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"], "MacAlgorithm": "HMAC_SHA_256"}
        tag = kms("GenerateMac", **mac, Message=base64_of("m"))["Mac"]
        kms("VerifyMac", **mac, Message=base64_of("m"), Mac=tag)
        agreed = kms("CreateKey", KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")["KeyMetadata"]["KeyId"]
        kms("DeriveSharedSecret", KeyId=agreed, KeyAgreementAlgorithm="ECDH", PublicKey=kms("GetPublicKey", KeyId=agreed)["PublicKey"])
        outside = {"KeyId": kms("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]}
        wrapping = kms("GetParametersForImport", **outside, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
        wrapped = base64.b64encode(oaep(base64.b64decode(wrapping["PublicKey"]), b"m" * 32)).decode()
        kms("ImportKeyMaterial", **outside, ImportToken=wrapping["ImportToken"], EncryptedKeyMaterial=wrapped, ValidTo=4_000_000_000)
        kms("DescribeKey", **outside)
        kms("DeleteImportedKeyMaterial", **outside)

    # Organizations

    def organization(self):
        org = self.organizations
        org("CreateOrganization", FeatureSet="CONSOLIDATED_BILLING")
        change = org("EnableAllFeatures")["Handshake"]
        org("DescribeHandshake", HandshakeId=change["Id"])
        org("DescribeOrganization")
        root = org("ListRoots")["Roots"][0]["Id"]
        if org("DescribeOrganization")["Organization"]["FeatureSet"] != "ALL":
            self.organizations("AcceptHandshake", HandshakeId=change["Id"])
        for kind in ("SERVICE_CONTROL_POLICY", "TAG_POLICY"):
            org("EnablePolicyType", RootId=root, PolicyType=kind)
        unit = org("CreateOrganizationalUnit", ParentId=root, Name="unit", Tags=TAGS)["OrganizationalUnit"]["Id"]
        org("DescribeOrganizationalUnit", OrganizationalUnitId=unit)
        org("UpdateOrganizationalUnit", OrganizationalUnitId=unit, Name="renamed")
        org("ListOrganizationalUnitsForParent", ParentId=root)

        invited = org("InviteAccountToOrganization", Target={"Id": SECOND, "Type": "ACCOUNT"}, Notes="come <&>", Tags=TAGS)["Handshake"]["Id"]
        org("ListHandshakesForOrganization")
        self.second.call("organizations", "ListHandshakesForAccount")
        self.second.call("organizations", "AcceptHandshake", HandshakeId=invited)
        for end in ("CancelHandshake", "DeclineHandshake", "AcceptHandshake"):
            handshake = {"HandshakeId": org("InviteAccountToOrganization", Target={"Id": THIRD, "Type": "ACCOUNT"})["Handshake"]["Id"]}
            (self.root if end.startswith("Cancel") else self.third).call("organizations", end, **handshake)
        created = org("CreateAccount", AccountName="made", Email="made@example.com", Tags=TAGS)["CreateAccountStatus"]["Id"]
        status = org("DescribeCreateAccountStatus", CreateAccountRequestId=created)["CreateAccountStatus"]
        org("ListCreateAccountStatus")
        org("MoveAccount", AccountId=SECOND, SourceParentId=root, DestinationParentId=unit)
        for operation, parameters in (("ListAccounts", {}), ("ListAccountsForParent", {"ParentId": unit}), ("ListParents", {"ChildId": SECOND}),
                                      ("ListChildren", {"ParentId": unit, "ChildType": "ACCOUNT"}), ("DescribeAccount", {"AccountId": SECOND})):
            org(operation, **parameters)

        document = json.dumps({"tags": {"team": {"tag_key": {"@@assign": "team"}}}})
        made = {"PolicyId": org("CreatePolicy", Name="tags", Type="TAG_POLICY", Description="d", Content=document, Tags=TAGS)["Policy"]["PolicySummary"]["Id"]}
        org("UpdatePolicy", **made, Name="newer", Content=document)
        org("AttachPolicy", **made, TargetId=SECOND)
        org("DescribePolicy", **made)
        org("ListTargetsForPolicy", **made)
        org("ListPolicies", Filter="SERVICE_CONTROL_POLICY")
        org("ListPoliciesForTarget", TargetId=SECOND, Filter="TAG_POLICY")
        org("DescribeEffectivePolicy", PolicyType="TAG_POLICY", TargetId=SECOND)
        org("TagResource", ResourceId=unit, Tags=[{"Key": "more", "Value": "x"}])
        org("ListTagsForResource", ResourceId=unit)
        org("UntagResource", ResourceId=unit, TagKeys=["more"])
        org("DetachPolicy", **made, TargetId=SECOND)
        org("DeletePolicy", **made)
        org("DisablePolicyType", RootId=root, PolicyType="TAG_POLICY")

        service = {"ServicePrincipal": "backup.amazonaws.com"}
        org("EnableAWSServiceAccess", **service)
        org("ListAWSServiceAccessForOrganization")
        org("RegisterDelegatedAdministrator", AccountId=SECOND, **service)
        org("ListDelegatedAdministrators")
        org("ListDelegatedServicesForAccount", AccountId=SECOND)
        org("DeregisterDelegatedAdministrator", AccountId=SECOND, **service)
        org("DisableAWSServiceAccess", **service)
        statement = {"Sid": "S", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{SECOND}:root"}, "Action": "organizations:DescribeOrganization",
                     "Resource": "*"}
        org("PutResourcePolicy", Content=json.dumps({"Version": "2012-10-17", "Statement": [statement]}), Tags=TAGS)
        org("DescribeResourcePolicy")
        org("DeleteResourcePolicy")

        self.third.call("organizations", "LeaveOrganization")
        org("RemoveAccountFromOrganization", AccountId=SECOND)
        org("CloseAccount", AccountId=status["AccountId"])
        org("DeleteOrganizationalUnit", OrganizationalUnitId=unit)
        # Of its own: one with a closed account stays.
        self.second.call("organizations", "CreateOrganization", FeatureSet="ALL")
        self.second.call("organizations", "DeleteOrganization")


def operations_here():
    """Those of the services that these tests speak."""
    here, service = set(), ""
    for line in (REPOSITORY / "docs" / "aws-coverage.md").read_text().splitlines():
        if line.startswith("## "):
            service = line[3:].strip()
        elif (row := re.fullmatch(r"\| (\w+) \| (supported|partial) \|.*", line)) and service in {*VERSIONS, *TARGETS}:
            here.add(f"{service} {row[1]}")
    return here


@scenario("an answer of every operation")
def every_answer(world):
    accounts = ["--account", f"second={SECOND}", "--account", f"third={THIRD}", "--region", "us-east-1", "--region", "us-east-2"]
    with Daemon(world, arguments=accounts) as daemon:
        daemon.start()
        tour = Tour(daemon)
        for part in (tour.users_and_groups, tour.policies, tour.roles, tour.tokens, tour.keys, tour.other_keys, tour.organization, tour.unmake):
            try:
                part()
            except Exception as error:
                check(f"{part.__name__} goes through", False, f"{type(error).__name__}: {error}")
        events = tour.root.call("cloudtrail", "LookupEvents", MaxResults=50)
        check("the log tells events with all that they have", len(events["Events"]) == 50 and "NextToken" in events)
        counted = re.findall(r'coffer_api_requests_total\{service="(\w+)",operation="(\w+)",code="200"\}', daemon.get("/metrics"))
        equal("every operation that is here has given a good answer", sorted(operations_here() - NEVER - {" ".join(pair) for pair in counted}), [])
        failures = [line for line in daemon.log().splitlines() if "error" in line]
        equal("no answer was something that the models do not have", failures, [])
