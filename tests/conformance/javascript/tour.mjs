// The tour with the JavaScript SDK v3. Prints a line a check.
import { createRequire } from "node:module";

const require = createRequire(process.env.COFFER_CLIENTS + "/javascript/package.json");
const sdk = (name) => require("@aws-sdk/client-" + name);
const { IAM } = sdk("iam"), { KMS } = sdk("kms"), { STS } = sdk("sts");
const { Organizations } = sdk("organizations"), { CloudTrail } = sdk("cloudtrail");
const { paginateListUsers, waitUntilUserExists } = sdk("iam");
const { paginateListAliases } = sdk("kms");

const MAIN = "111111111111", SECOND = "222222222222";
const ROOT = `arn:aws:iam::${MAIN}:root`;
let failed = false;

function check(promise, good, detail) {
  console.log(good ? `ok      ${promise}` : `FAILED  ${promise}: ${detail}`);
  failed ||= !good;
}
const equal = (promise, got, wanted) =>
  check(promise, JSON.stringify(got) === JSON.stringify(wanted), `got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
async function refused(promise, code, call, words = "") {
  try {
    check(promise, false, "it was answered: " + JSON.stringify(await call()));
  } catch (error) {
    const found = error.name.replace(/Exception$/, "") === code.replace(/Exception$/, "") && error.message.includes(words);
    check(promise, found, `${error.name}: ${error.message}`);
  }
}
// Endpoint, Region and credentials come from the environment and the credentials file, as a user's would.
const as = (profile) => ({ profile, maxAttempts: 1 });
const by = (credentials) => ({ credentials, maxAttempts: 1 });
const policy = (...statements) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
const bytes = (text) => new TextEncoder().encode(text);
const textOf = (array) => new TextDecoder().decode(array);

const iam = new IAM(as("main")), kms = new KMS(as("main"));

async function identities() {
  equal("the main profile is the main account's root", (await new STS(as("main")).getCallerIdentity({})).Arn, ROOT);
  equal("the second profile is the second account", (await new STS(as("second")).getCallerIdentity({})).Account, SECOND);
}

async function users() {
  const user = (await iam.createUser({ UserName: "alice" })).User;
  equal("a user has an ARN", user.Arn, `arn:aws:iam::${MAIN}:user/alice`);
  equal("its date is a date", user.CreateDate instanceof Date && Math.abs(Date.now() - user.CreateDate) < 60000, true);
  await refused("a name is taken once", "EntityAlreadyExistsException", () => iam.createUser({ UserName: "alice" }));
  await refused("what is not there is not found", "NoSuchEntityException", () => iam.getUser({ UserName: "nobody" }), "nobody");
  const key = (await iam.createAccessKey({ UserName: "alice" })).AccessKey;
  const alice = { accessKeyId: key.AccessKeyId, secretAccessKey: key.SecretAccessKey };
  await refused("a user may do nothing at first", "AccessDenied", () => new IAM(by(alice)).listUsers({}),
    `User: ${user.Arn} is not authorized to perform: iam:ListUsers`);
  await refused("nor with a JSON service", "AccessDeniedException", () => new KMS(by(alice)).listKeys({}), "kms:ListKeys");
  const made = (await iam.createPolicy({ PolicyName: "list-keys",
    PolicyDocument: policy({ Effect: "Allow", Action: ["kms:ListKeys", "sts:AssumeRole"], Resource: "*" }) })).Policy;
  await iam.attachUserPolicy({ UserName: "alice", PolicyArn: made.Arn });
  equal("an attached policy allows", (await new KMS(by(alice)).listKeys({})).Keys, []);
  const role = (await iam.createRole({ RoleName: "keeper",
    AssumeRolePolicyDocument: policy({ Effect: "Allow", Principal: { AWS: ROOT }, Action: "sts:AssumeRole" }) })).Role;
  const given = (await new STS(by(alice)).assumeRole({ RoleArn: role.Arn, RoleSessionName: "s1" })).Credentials;
  const session = { accessKeyId: given.AccessKeyId, secretAccessKey: given.SecretAccessKey, sessionToken: given.SessionToken };
  equal("a role's session works", (await new STS(by(session)).getCallerIdentity({})).Arn, `arn:aws:sts::${MAIN}:assumed-role/keeper/s1`);
  for (const name of ["bob", "carol", "dave", "erin"]) await iam.createUser({ UserName: name });
  await waitUntilUserExists({ client: iam, maxWaitTime: 5 }, { UserName: "erin" });
  const seen = [];
  for await (const page of paginateListUsers({ client: iam, pageSize: 2 }, {})) seen.push(...page.Users.map((u) => u.UserName));
  equal("pages of two hold every user once", seen, ["alice", "bob", "carol", "dave", "erin"]);
  return alice;
}

async function keys(alice) {
  const key = (await kms.createKey({ Description: "the tour's" })).KeyMetadata;
  for (const name of ["alias/tour", "alias/a", "alias/b"]) await kms.createAlias({ AliasName: name, TargetKeyId: key.KeyId });
  equal("an alias names the key", (await kms.describeKey({ KeyId: "alias/tour" })).KeyMetadata.Arn, key.Arn);
  let aliases = 0;
  for await (const page of paginateListAliases({ client: kms, pageSize: 1 }, { KeyId: key.KeyId })) aliases += page.Aliases.length;
  equal("pages of one hold every alias", aliases, 3);
  const context = { app: "tour" };
  const blob = (await kms.encrypt({ KeyId: "alias/tour", Plaintext: bytes("secret"), EncryptionContext: context })).CiphertextBlob;
  const open = (client) => client.decrypt({ CiphertextBlob: blob, EncryptionContext: context }).then((r) => textOf(r.Plaintext));
  equal("decrypt gives the bytes back", await open(kms), "secret");
  await refused("another context does not open it", "InvalidCiphertextException", () => kms.decrypt({ CiphertextBlob: blob }));
  const data = await kms.generateDataKey({ KeyId: key.KeyId, KeySpec: "AES_256" });
  equal("a data key has 32 bytes", data.Plaintext.length, 32);
  await kms.rotateKeyOnDemand({ KeyId: key.KeyId });
  equal("after a rotation the old ciphertext opens", await open(kms), "secret");
  const theirs = new KMS(by(alice));
  await refused("a user without a grant is refused", "AccessDeniedException", () => open(theirs), `kms:Decrypt on resource: ${key.Arn}`);
  const grant = await kms.createGrant({ KeyId: key.KeyId, GranteePrincipal: `arn:aws:iam::${MAIN}:user/alice`, Operations: ["Decrypt"],
    Constraints: { EncryptionContextEquals: context } });
  equal("a grant lets the user in", await open(theirs), "secret");
  await kms.revokeGrant({ KeyId: key.KeyId, GrantId: grant.GrantId });
  await refused("and no longer when it is revoked", "AccessDeniedException", () => open(theirs));
  const signing = (await kms.createKey({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" })).KeyMetadata.KeyId;
  const how = { KeyId: signing, Message: bytes("words"), SigningAlgorithm: "ECDSA_SHA_256" };
  equal("a signature holds", (await kms.verify({ ...how, Signature: (await kms.sign(how)).Signature })).SignatureValid, true);
  const mac = (await kms.createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" })).KeyMetadata.KeyId;
  const tag = { KeyId: mac, Message: bytes("words"), MacAlgorithm: "HMAC_SHA_256" };
  equal("a MAC holds", (await kms.verifyMac({ ...tag, Mac: (await kms.generateMac(tag)).Mac })).MacValid, true);
  return { arn: key.Arn, open };
}

async function accounts({ arn, open }) {
  const other = new KMS(as("second"));
  await refused("the second account cannot decrypt", "AccessDeniedException", () => open(other),
    "because no resource-based policy allows the kms:Decrypt action");
  await kms.putKeyPolicy({ KeyId: arn, PolicyName: "default", Policy: policy(
    { Effect: "Allow", Principal: { AWS: ROOT }, Action: "kms:*", Resource: "*" },
    { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${SECOND}:root` }, Action: "kms:Decrypt", Resource: "*" }) });
  equal("its key policy lets the second account in", await open(other), "secret");
  const organizations = new Organizations(as("main")), member = new Organizations(as("second"));
  equal("the creator manages the organization", (await organizations.createOrganization({ FeatureSet: "ALL" })).Organization.MasterAccountId, MAIN);
  const invited = (await organizations.inviteAccountToOrganization({ Target: { Id: SECOND, Type: "ACCOUNT" } })).Handshake.Id;
  equal("the second account accepts", (await member.acceptHandshake({ HandshakeId: invited })).Handshake.State, "ACCEPTED");
  equal("both accounts belong to it", (await organizations.listAccounts({})).Accounts.map((a) => a.Id).sort(), [MAIN, SECOND]);
  const root = (await organizations.listRoots({})).Roots[0];
  if (!root.PolicyTypes.some((t) => t.Type === "SERVICE_CONTROL_POLICY"))
    await organizations.enablePolicyType({ RootId: root.Id, PolicyType: "SERVICE_CONTROL_POLICY" });
  const made = await organizations.createPolicy({ Name: "no-decrypt", Description: "", Type: "SERVICE_CONTROL_POLICY",
    Content: policy({ Effect: "Deny", Action: "kms:Decrypt", Resource: "*" }) });
  const attachment = { PolicyId: made.Policy.PolicySummary.Id, TargetId: SECOND };
  await organizations.attachPolicy(attachment);
  await refused("a service control policy binds the member", "AccessDeniedException", () => open(other),
    "with an explicit deny in a service control policy");
  await organizations.detachPolicy(attachment);
  equal("detached, it binds nobody", await open(other), "secret");
}

async function audit() {
  const trail = new CloudTrail(as("main"));
  const found = await trail.lookupEvents({ LookupAttributes: [{ AttributeKey: "EventName", AttributeValue: "CreateAlias" }] });
  equal("a changing call is in the audit log", found.Events[0]?.EventSource, "kms.amazonaws.com");
  equal("with its time", Math.abs(Date.now() - found.Events[0].EventTime) < 120000, true);
  equal("and with who called", JSON.parse(found.Events[0].CloudTrailEvent).userIdentity.arn, ROOT);
}

try {
  await identities();
  await accounts(await keys(await users()));
  await audit();
} catch (error) {
  check("the tour runs to its end", false, `${error.name}: ${error.message}`);
}
process.exit(failed ? 1 : 0);
