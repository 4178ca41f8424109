"""The tour with boto3: the calls of a person who sets up keys for two accounts, and what they must answer."""
import json

import botocore

from checks import check, client, end, equal, eventually, refused

MAIN, SECOND = "111111111111", "222222222222"
ROOT = f"arn:aws:iam::{MAIN}:root"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def identities():
    me = client("sts").get_caller_identity()
    equal("the main profile is the main account's root", (me["Account"], me["Arn"], me["UserId"]), (MAIN, ROOT, MAIN))
    equal("the second profile is the second account", client("sts", "second").get_caller_identity()["Account"], SECOND)
    nobody = client("sts", credentials=("AKIAIOSFODNN7EXAMPLE", "no secret of anybody", None))
    refused("an unknown access key is refused", "InvalidClientTokenId", nobody.get_caller_identity, status=403)
    nobody = client("kms", credentials=("AKIAIOSFODNN7EXAMPLE", "no secret of anybody", None))
    refused("and so it is by a JSON service", "UnrecognizedClientException", nobody.list_keys, status=400)


def users_and_roles():
    iam = client("iam")
    user = iam.create_user(UserName="alice", Path="/team/", Tags=[{"Key": "team", "Value": "data"}])["User"]
    equal("a user has an ARN with its path", user["Arn"], f"arn:aws:iam::{MAIN}:user/team/alice")
    check("a user's id begins with AIDA", user["UserId"].startswith("AIDA"), user["UserId"])
    refused("a name is taken once", "EntityAlreadyExists", lambda: iam.create_user(UserName="ALICE"), status=409)
    refused("what is not there is not found", "NoSuchEntity", lambda: iam.get_user(UserName="nobody"), "nobody", status=404)
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    alice = (key["AccessKeyId"], key["SecretAccessKey"], None)
    equal("an access key is the user's", client("sts", credentials=alice).get_caller_identity()["Arn"], user["Arn"])
    refused("a wrong secret is refused", "SignatureDoesNotMatch",
            client("sts", credentials=(alice[0], "wrong", None)).get_caller_identity, status=403)
    refused("a user may do nothing at first", "AccessDenied", client("iam", credentials=alice).list_users,
            f"User: {user['Arn']} is not authorized to perform: iam:ListUsers",
            "because no identity-based policy allows the iam:ListUsers action", status=403)
    refused("nor with a JSON service", "AccessDeniedException", client("kms", credentials=alice).list_keys,
            f"User: {user['Arn']} is not authorized to perform: kms:ListKeys", status=400)
    policy = iam.create_policy(PolicyName="list-keys", PolicyDocument=document(allow("kms:ListKeys")))["Policy"]
    iam.attach_user_policy(UserName="alice", PolicyArn=policy["Arn"])
    check("an attached policy allows", "Keys" in client("kms", credentials=alice).list_keys())
    equal("the policy counts its attachment", iam.get_policy(PolicyArn=policy["Arn"])["Policy"]["AttachmentCount"], 1)
    stored = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId="v1")["PolicyVersion"]
    equal("a policy's document comes back", stored["Document"]["Statement"][0]["Action"], "kms:ListKeys")
    refused("a broken document is refused", "MalformedPolicyDocument",
            lambda: iam.create_policy(PolicyName="broken", PolicyDocument='{"Statement": 7}'), status=400)
    refused("an attached policy cannot go", "DeleteConflict", lambda: iam.delete_policy(PolicyArn=policy["Arn"]), status=409)
    return alice, user["Arn"]


def sessions(alice, alice_arn):
    iam, sts = client("iam"), client("sts", credentials=alice)
    trust = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole",
             "Condition": {"StringEquals": {"sts:ExternalId": "kiosk"}}}
    role = iam.create_role(RoleName="keeper", Path="/service-role/", AssumeRolePolicyDocument=document(trust))["Role"]
    assume = dict(RoleArn=role["Arn"], RoleSessionName="s1", ExternalId="kiosk")
    refused("a role that trusts the account still needs a policy of the user", "AccessDenied", lambda: sts.assume_role(**assume),
            f"User: {alice_arn} is not authorized to perform: sts:AssumeRole on resource: {role['Arn']}", status=403)
    iam.put_user_policy(UserName="alice", PolicyName="assume", PolicyDocument=document(allow("sts:AssumeRole", role["Arn"])))
    refused("without the external id the role is not given", "AccessDenied",
            lambda: sts.assume_role(RoleArn=role["Arn"], RoleSessionName="s1"), "sts:AssumeRole", status=403)
    answer = sts.assume_role(**assume, DurationSeconds=900)
    given = answer["Credentials"]
    session = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    session_arn = f"arn:aws:sts::{MAIN}:assumed-role/keeper/s1"
    equal("a session's ARN has no path", answer["AssumedRoleUser"]["Arn"], session_arn)
    equal("its credentials work", client("sts", credentials=session).get_caller_identity()["Arn"], session_arn)
    refused("its key needs its token", "InvalidClientTokenId",
            client("sts", credentials=(*session[:2], None)).get_caller_identity, status=403)
    refused("the role may do nothing yet", "AccessDenied", client("iam", credentials=session).list_roles, session_arn)
    iam.attach_role_policy(RoleName="keeper", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    check("AWS's own policies can be attached", client("iam", credentials=session).list_roles()["Roles"])
    found = iam.simulate_principal_policy(PolicySourceArn=alice_arn, ActionNames=["sts:AssumeRole", "kms:Encrypt"],
                                          ResourceArns=[role["Arn"]])["EvaluationResults"]
    equal("the simulator answers as the evaluation does", [r["EvalDecision"] for r in found], ["allowed", "implicitDeny"])
    refused("a session lasts no longer than its role allows", "ValidationError",
            lambda: sts.assume_role(**assume, DurationSeconds=43200), status=400)
    return session


def keys(alice, alice_arn):
    kms, kms_alice = client("kms"), client("kms", credentials=alice)
    made = kms.create_key(Description="the tour's", Tags=[{"TagKey": "for", "TagValue": "tour"}])["KeyMetadata"]
    check("a key is enabled and ours", made["KeyState"] == "Enabled" and made["AWSAccountId"] == MAIN, made)
    kms.create_alias(AliasName="alias/tour", TargetKeyId=made["KeyId"])
    equal("an alias names the key", kms.describe_key(KeyId="alias/tour")["KeyMetadata"]["Arn"], made["Arn"])
    refused("an unknown alias is not found", "NotFoundException", lambda: kms.describe_key(KeyId="alias/nothing"), "alias/nothing")
    context = {"app": "tour", "stage": "one"}
    sealed = kms.encrypt(KeyId="alias/tour", Plaintext=b"secret", EncryptionContext=context)
    equal("encrypt answers with the key's ARN", sealed["KeyId"], made["Arn"])
    blob = sealed["CiphertextBlob"]
    equal("decrypt gives the bytes back", kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"], b"secret")
    refused("another context does not open it", "InvalidCiphertextException",
            lambda: kms.decrypt(CiphertextBlob=blob, EncryptionContext={"app": "tour"}), status=400)
    refused("nor does a damaged blob open", "InvalidCiphertextException",
            lambda: kms.decrypt(CiphertextBlob=blob[:-1] + bytes([blob[-1] ^ 1]), EncryptionContext=context))
    data_key = kms.generate_data_key(KeyId="alias/tour", KeySpec="AES_256")
    equal("a data key opens to itself", kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"], data_key["Plaintext"])
    if hasattr(kms, "rotate_key_on_demand"):  # unknown to the older generation
        kms.rotate_key_on_demand(KeyId=made["KeyId"])
    equal("after a rotation the old ciphertext opens", kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"], b"secret")
    kms.enable_key_rotation(KeyId=made["KeyId"])
    equal("rotation is on", kms.get_key_rotation_status(KeyId=made["KeyId"])["KeyRotationEnabled"], True)
    refused("the key's policy alone does not let a user in", "AccessDeniedException",
            lambda: kms_alice.decrypt(CiphertextBlob=blob, EncryptionContext=context),
            f"User: {alice_arn} is not authorized to perform: kms:Decrypt on resource: {made['Arn']}")
    grant = kms.create_grant(KeyId=made["KeyId"], GranteePrincipal=alice_arn, Operations=["Decrypt"],
                             Constraints={"EncryptionContextSubset": {"app": "tour"}})
    equal("a grant lets the user in", kms_alice.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"], b"secret")
    refused("within its constraint only", "AccessDeniedException",
            lambda: kms_alice.decrypt(CiphertextBlob=kms.encrypt(KeyId="alias/tour", Plaintext=b"x")["CiphertextBlob"]), "kms:Decrypt")
    kms.revoke_grant(KeyId=made["KeyId"], GrantId=grant["GrantId"])
    refused("and no longer when it is revoked", "AccessDeniedException",
            lambda: kms_alice.decrypt(CiphertextBlob=blob, EncryptionContext=context), "kms:Decrypt")
    signatures(kms)
    states(kms)
    return made["Arn"], blob, context


def signatures(kms):
    for spec, algorithm in (("ECC_NIST_P256", "ECDSA_SHA_256"), ("RSA_2048", "RSASSA_PSS_SHA_256")):
        key = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        signed = kms.sign(KeyId=key, Message=b"words", SigningAlgorithm=algorithm)["Signature"]
        verify = dict(KeyId=key, SigningAlgorithm=algorithm, Signature=signed)
        check(f"a signature of {spec} holds", kms.verify(Message=b"words", **verify)["SignatureValid"])
        refused(f"and for other words it does not ({spec})", "KMSInvalidSignatureException", lambda: kms.verify(Message=b"word", **verify))
        equal(f"the public key is of the spec ({spec})", kms.get_public_key(KeyId=key)["KeyUsage"], "SIGN_VERIFY")
    key = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    mac = kms.generate_mac(KeyId=key, Message=b"words", MacAlgorithm="HMAC_SHA_256")["Mac"]
    check("a MAC holds", kms.verify_mac(KeyId=key, Message=b"words", MacAlgorithm="HMAC_SHA_256", Mac=mac)["MacValid"])
    refused("a MAC of other words does not", "KMSInvalidMacException",
            lambda: kms.verify_mac(KeyId=key, Message=b"word", MacAlgorithm="HMAC_SHA_256", Mac=mac))
    refused("a MAC key does not encrypt", "InvalidKeyUsageException", lambda: kms.encrypt(KeyId=key, Plaintext=b"x"))


def states(kms):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    refused("a disabled key does not encrypt", "DisabledException", lambda: kms.encrypt(KeyId=key, Plaintext=b"x"), "is disabled")
    equal("a key waits for its deletion", kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)["KeyState"], "PendingDeletion")
    kms.cancel_key_deletion(KeyId=key)
    equal("a key whose deletion was cancelled is disabled", kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled")
    many = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=many, ReplicaRegion="us-east-2")
    blob = kms.encrypt(KeyId=many, Plaintext=b"both")["CiphertextBlob"]
    equal("a replica opens what the primary sealed", client("kms", region="us-east-2").decrypt(CiphertextBlob=blob)["Plaintext"], b"both")


def across_accounts(arn, blob, context):
    kms, other = client("kms"), client("kms", "second")
    refused("the second account cannot decrypt", "AccessDeniedException",
            lambda: other.decrypt(CiphertextBlob=blob, EncryptionContext=context),
            f"User: arn:aws:iam::{SECOND}:root is not authorized to perform: kms:Decrypt on resource: {arn}",
            "because no resource-based policy allows the kms:Decrypt action")
    own = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
    shared = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{SECOND}:root"}, "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": "*"}
    kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=document(own, shared))
    equal("its key policy lets the second account in", other.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"], b"secret")
    refused("for the named actions only", "AccessDeniedException", lambda: other.encrypt(KeyId=arn, Plaintext=b"x"), "kms:Encrypt")
    refused("a policy that locks everybody out is refused", "MalformedPolicyDocumentException",
            lambda: kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=document(shared)), "will not allow you to update the key policy")


def organization(arn, blob, context):
    organizations, other = client("organizations"), client("organizations", "second")
    refused("there is no organization yet", "AWSOrganizationsNotInUseException", organizations.describe_organization)
    made = organizations.create_organization(FeatureSet="ALL")["Organization"]
    equal("the creator manages it", made["MasterAccountId"], MAIN)
    invited = organizations.invite_account_to_organization(Target={"Id": SECOND, "Type": "ACCOUNT"})["Handshake"]
    open_ones = other.list_handshakes_for_account()["Handshakes"]
    equal("the second account sees its invitation", [h["Id"] for h in open_ones], [invited["Id"]])
    other.accept_handshake(HandshakeId=invited["Id"])
    equal("both accounts belong to it", sorted(a["Id"] for a in organizations.list_accounts()["Accounts"]), [MAIN, SECOND])
    root = organizations.list_roots()["Roots"][0]["Id"]
    if not any(t["Type"] == "SERVICE_CONTROL_POLICY" for t in organizations.list_roots()["Roots"][0]["PolicyTypes"]):
        organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    deny = document({"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"})
    policy = organizations.create_policy(Name="no-decrypt", Description="", Type="SERVICE_CONTROL_POLICY", Content=deny)["Policy"]
    policy_id = policy["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy_id, TargetId=SECOND)
    kms = client("kms", "second")
    refused("a service control policy binds the member", "AccessDeniedException",
            lambda: kms.decrypt(CiphertextBlob=blob, EncryptionContext=context), "kms:Decrypt", "with an explicit deny in a service control policy")
    check("but not the management account", client("kms").decrypt(CiphertextBlob=blob, EncryptionContext=context))
    organizations.detach_policy(PolicyId=policy_id, TargetId=SECOND)
    check("detached, it binds nobody", kms.decrypt(CiphertextBlob=blob, EncryptionContext=context))
    refused("a member cannot manage", "AccessDeniedException", lambda: other.create_organizational_unit(ParentId=root, Name="x"))


def audit(arn):
    trail = client("cloudtrail")

    def events(name):
        return trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])["Events"]

    found = events("CreateKey")
    check("a changing call is in the audit log at once", found and found[0]["EventSource"] == "kms.amazonaws.com", found)
    record = json.loads(found[-1]["CloudTrailEvent"])
    equal("the record names who called", (record["userIdentity"]["type"], record["userIdentity"]["arn"]), ("Root", ROOT))
    check("a reading call is there soon", eventually(lambda: events("Decrypt")))
    denied = eventually(lambda: [e for e in map(lambda e: json.loads(e["CloudTrailEvent"]), events("Decrypt")) if e.get("errorCode")])
    check("so is a call that was refused", denied and denied[0]["errorCode"] in ("AccessDenied", "AccessDeniedException", "InvalidCiphertextException"), denied[:1])
    check("no record holds a plaintext", all("secret" not in e["CloudTrailEvent"].lower().replace("secretsmanager", "") for e in events("Encrypt")))
    by_resource = trail.lookup_events(LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": arn}])["Events"]
    check("events are found by the key's ARN", by_resource)


def main():
    print(f"        botocore {botocore.__version__}")
    identities()
    alice, alice_arn = users_and_roles()
    sessions(alice, alice_arn)
    arn, blob, context = keys(alice, alice_arn)
    across_accounts(arn, blob, context)
    organization(arn, blob, context)
    audit(arn)
    end()


main()
