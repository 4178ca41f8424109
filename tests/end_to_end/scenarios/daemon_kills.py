"""Kill -9 of `coffer up` at random moments of its changing calls and of its starts: a call happened with its audit record, or not
at all, and what was answered with success is there."""
import collections
import json
import os
import threading
import time

from daemon import ACCOUNT, Daemon, Lost
from harness import Failure, check, run, scenario

THREADS = 4
BATCH = 250  # kills of one installation, so that no quota of an account is reached
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]})


class Caller(threading.Thread):
    """Changes one thing after the other until the daemon is gone. Each call has its own user agent, by which its record is found."""

    def __init__(self, client, name, seed_random, root_id, ledger):
        super().__init__(daemon=True)
        self.client, self.name, self.random, self.root_id, self.ledger = client, name, seed_random, root_id, ledger
        self.count, self.error = 0, None

    def run(self):
        try:
            while True:
                self.random.choice((self.change_user, self.change_user, self.change_key, self.change_unit))(f"{self.name}-{self.count}")
        except Lost:
            pass
        except Exception as error:  # told by the round
            self.error = error

    def call(self, service, operation, **parameters):
        agent = f"kills/{self.name}/{self.count}"
        self.count += 1
        self.ledger[agent] = "unknown"
        answer = self.client.call(service, operation, agent=agent, **parameters)
        self.ledger[agent] = "done"
        return answer

    def sometimes(self):
        return self.random.random() < 0.5

    def change_user(self, name):
        self.call("iam", "CreateUser", UserName=name)
        if self.sometimes():
            self.call("iam", "PutUserPolicy", UserName=name, PolicyName="inline", PolicyDocument=POLICY)
        if self.sometimes():
            self.call("iam", "TagUser", UserName=name, Tags=[{"Key": "of", "Value": name}])
            if self.sometimes():
                self.call("iam", "UntagUser", UserName=name, TagKeys=["of"])
        if self.sometimes():
            key = self.call("iam", "CreateAccessKey", UserName=name)["AccessKeyId"]
            if self.sometimes():
                self.call("iam", "DeleteAccessKey", UserName=name, AccessKeyId=key)
        elif self.sometimes() and self.sometimes():
            self.call("iam", "CreateUser", UserName=name + "-short")
            self.call("iam", "DeleteUser", UserName=name + "-short")

    def change_key(self, name):
        key = self.call("kms", "CreateKey", Description=name)["KeyMetadata"]["KeyId"]
        if self.sometimes():
            self.call("kms", "CreateAlias", AliasName="alias/" + name, TargetKeyId=key)
            if self.sometimes():
                self.call("kms", "DeleteAlias", AliasName="alias/" + name)
        if self.sometimes():
            grant = self.call("kms", "CreateGrant", KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:root", Operations=["Decrypt"])
            if self.sometimes():
                self.call("kms", "RevokeGrant", KeyId=key, GrantId=grant["GrantId"])
        if self.sometimes():
            self.call("kms", "TagResource", KeyId=key, Tags=[{"TagKey": "of", "TagValue": name}])

    def change_unit(self, name):
        unit = self.call("organizations", "CreateOrganizationalUnit", ParentId=self.root_id, Name=name)["OrganizationalUnit"]["Id"]
        if self.sometimes():
            self.call("organizations", "TagResource", ResourceId=unit, Tags=[{"Key": "of", "Value": name}])
        # Most go again: a root has room for so many.
        if self.random.random() < 0.7:
            self.call("organizations", "DeleteOrganizationalUnit", OrganizationalUnitId=unit)


def short_id(text):
    return text.rsplit("/", 1)[-1]


def replay(records):
    """What must be there when exactly these calls happened."""
    there = collections.defaultdict(set)
    for record in records:
        sent, got, name = record["requestParameters"] or {}, record["responseElements"] or {}, record["eventName"]
        if name == "CreateUser":
            there["users"].add(sent["userName"])
        elif name == "DeleteUser":
            there["users"].discard(sent["userName"])
        elif name == "PutUserPolicy":
            there["user policies"].add(sent["userName"])
        elif name == "TagUser":
            there["user tags"].add(sent["userName"])
        elif name == "UntagUser":
            there["user tags"].discard(sent["userName"])
        elif name == "CreateAccessKey":
            there["access keys"].add(got["accessKey"]["accessKeyId"])
        elif name == "DeleteAccessKey":
            there["access keys"].discard(sent["accessKeyId"])
        elif name == "CreateKey":
            there["keys"].add(got["keyMetadata"]["keyId"])
        elif name == "CreateAlias":
            there["aliases"].add(sent["aliasName"])
        elif name == "DeleteAlias":
            there["aliases"].discard(sent["aliasName"])
        elif name == "CreateGrant":
            there["grants"].add(got["grantId"])
        elif name == "RevokeGrant":
            there["grants"].discard(sent["grantId"])
        elif name == "TagResource" and record["eventSource"].startswith("kms"):
            there["key tags"].add(short_id(sent["keyId"]))
        elif name == "TagResource":
            there["unit tags"].add(sent["resourceId"])
        elif name == "CreateOrganizationalUnit":
            there["units"].add(got["organizationalUnit"]["id"])
        elif name == "DeleteOrganizationalUnit":
            there["units"].discard(sent["organizationalUnitId"])
            there["unit tags"].discard(sent["organizationalUnitId"])
        else:
            raise Failure(f"a record of a call that nobody made: {name}")
    return {kind: names for kind, names in there.items() if names}


def all_pages(client, service, operation, items, token="NextToken", **parameters):
    page = {}
    while True:
        answer = client.call(service, operation, **parameters, **page)
        yield from answer[items]
        following = answer.get("NextMarker" if token == "Marker" else token)
        if not following:
            return
        page = {token: following}


def iam_pages(client, operation, **parameters):
    marker = {}
    while True:
        answer = client.call("iam", operation, **parameters, **marker)
        yield answer.xml
        if "Marker" not in answer:
            return
        marker = {"Marker": answer["Marker"]}


def survey(client, root_id):
    """What is there, as the API tells it."""
    space = "{https://iam.amazonaws.com/doc/2010-05-08/}"
    there = collections.defaultdict(set)
    for page in iam_pages(client, "GetAccountAuthorizationDetails", Filter=["User"]):
        for user in page.findall(f".//{space}UserDetailList/{space}member"):
            name = user.findtext(f"{space}UserName")
            there["users"].add(name)
            if user.find(f"{space}UserPolicyList/{space}member") is not None:
                there["user policies"].add(name)
            if user.find(f"{space}Tags/{space}member") is not None:
                there["user tags"].add(name)
    for name in list(there["users"]):
        keys = client.call("iam", "ListAccessKeys", UserName=name).xml
        there["access keys"] |= {key.text for key in keys.iter(f"{space}AccessKeyId")}
    for key in all_pages(client, "kms", "ListKeys", "Keys", "Marker", Limit=1000):
        there["keys"].add(key["KeyId"])
        there["grants"] |= {g["GrantId"] for g in all_pages(client, "kms", "ListGrants", "Grants", "Marker", KeyId=key["KeyId"])}
        if client.call("kms", "ListResourceTags", KeyId=key["KeyId"])["Tags"]:
            there["key tags"].add(key["KeyId"])
    there["aliases"] = {a["AliasName"] for a in all_pages(client, "kms", "ListAliases", "Aliases", "Marker", Limit=100)
                        if not a["AliasName"].startswith("alias/aws/")}
    for unit in all_pages(client, "organizations", "ListOrganizationalUnitsForParent", "OrganizationalUnits", ParentId=root_id):
        there["units"].add(unit["Id"])
        if client.call("organizations", "ListTagsForResource", ResourceId=unit["Id"])["Tags"]:
            there["unit tags"].add(unit["Id"])
    return {kind: names for kind, names in there.items() if names}


class Batch:
    def __init__(self, world, number):
        self.world, self.number = world, number
        self.daemon = Daemon(world)
        self.ledger, self.problems = {}, []
        self.killed_at_start = 0

    def prepare(self):
        self.daemon.start()
        client = self.daemon.client()
        client.call("organizations", "CreateOrganization", FeatureSet="ALL")
        self.root_id = client.call("organizations", "ListRoots")["Roots"][0]["Id"]
        self.keys = self.daemon.root_keys()
        self.daemon.kill()

    def round(self, n):
        random = self.world.random
        if random.random() < 0.1:
            # Before it listens, or hardly after.
            self.daemon.launch()
            time.sleep(random.uniform(0, 0.06))
            self.killed_at_start += 1
            self.daemon.kill()
            return
        self.daemon.start()
        callers = [Caller(self.daemon.client(self.keys), f"{n}-{i}", type(random)(random.random()), self.root_id, self.ledger)
                   for i in range(THREADS)]
        for caller in callers:
            caller.start()
        time.sleep(random.uniform(0.002, 0.1))
        self.daemon.kill()
        for caller in callers:
            caller.join()
            if caller.error:
                self.problems.append(f"round {n}: {type(caller.error).__name__}: {caller.error}")

    def records(self, client):
        """Of the calls of all rounds that succeeded, oldest first."""
        events = all_pages(client, "cloudtrail", "LookupEvents", "Events", LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}])
        records = [json.loads(event["CloudTrailEvent"]) for event in events]
        return [r for r in reversed(records) if r["userAgent"].startswith("kills/") and "errorCode" not in r]

    def inspect(self):
        """Everything against everything."""
        said = run([self.daemon.program, "audit", "verify", "--data", str(self.daemon.data), "--json"], check_exit=False)
        if said[0] != 0:
            self.problems.append(f"audit verify: {said[1][-1000:]}")
        self.daemon.start()
        client = self.daemon.client(self.keys)
        records = self.records(client)
        recorded = collections.Counter(r["userAgent"] for r in records)
        self.problems += [f"{agent} was answered with success and has no record" for agent, fate in self.ledger.items()
                          if fate == "done" and agent not in recorded]
        self.problems += [f"{agent} has {n} records" for agent, n in recorded.items() if n != 1]
        self.problems += [f"{agent} was never sent" for agent in recorded if agent not in self.ledger]
        wanted, got = replay(records), survey(client, self.root_id)
        for kind in sorted({*wanted, *got}):
            unrecorded, lost = got.get(kind, set()) - wanted.get(kind, set()), wanted.get(kind, set()) - got.get(kind, set())
            if unrecorded or lost:
                self.problems.append(f"{kind}: there without a record: {sorted(unrecorded)[:5]}, recorded and not there: {sorted(lost)[:5]}")
        self.happened = sum(1 for agent, fate in self.ledger.items() if fate == "unknown" and agent in recorded)
        self.unknown = sum(1 for fate in self.ledger.values() if fate == "unknown")
        failures = [line for line in self.daemon.log().splitlines() if "error" in line]
        self.problems += failures[:3]
        code = self.daemon.stop()
        if code != 0:
            self.problems.append(f"the last stop ended with {code}: {self.daemon.log()[-500:]}")


@scenario("kills of the daemon")
def daemon_kills(world):
    kills = int(os.environ.get("COFFER_KILLS", "10000" if world.long else "500"))
    calls = unknown = happened = at_start = 0
    problems, kinds = [], set()
    for number in range((kills + BATCH - 1) // BATCH):
        batch = Batch(world, number)
        with batch.daemon:
            batch.prepare()
            for n in range(min(BATCH, kills - number * BATCH)):
                batch.round(f"{number}-{n}")
            batch.inspect()
        problems += batch.problems
        calls, unknown, happened = calls + len(batch.ledger), unknown + batch.unknown, happened + batch.happened
        at_start += batch.killed_at_start
    print(f"        {calls} calls, {unknown} without an answer, of which {happened} had happened; {at_start} kills hit a start", flush=True)
    check(f"kill -9 at {kills} moments: every call with its audit record or not at all, every success there, the log whole",
          not problems, f"{len(problems)} problems, first:\n" + "\n".join(problems[:10]))
    check("many kills hit calls at work", unknown > kills * 0.5, f"{unknown} of {calls} calls were without an answer")


@scenario("kills of the first start")
def first_starts(world):
    """Whenever the first start is killed: the next makes a whole installation, with one key for each account."""
    problems = []
    for n in range(200 if world.long else 40):
        daemon = Daemon(world)
        with daemon:
            for _ in range(world.random.choice((1, 1, 2))):
                daemon.launch()
                time.sleep(world.random.uniform(0, 0.08))
                daemon.kill()
            try:
                daemon.start()
                daemon.client().call("sts", "GetCallerIdentity")
                daemon.stop()
                run([daemon.program, "audit", "verify", "--data", str(daemon.data)])
            except Exception as error:
                problems.append(f"{n}: {type(error).__name__}: {error}\n{daemon.log()[-500:]}")
    check("an installation whose first start was killed is made by the next, and its credentials work", not problems,
          f"{len(problems)} problems, first:\n" + "\n".join(problems[:3]))
