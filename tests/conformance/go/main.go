// The tour with the Go SDK v2. Prints a line a check.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

const (
	mainAccount   = "111111111111"
	secondAccount = "222222222222"
	root          = "arn:aws:iam::" + mainAccount + ":root"
)

var (
	ctx    = context.Background()
	failed = false
)

func check(promise string, good bool, detail interface{}) {
	if good {
		fmt.Printf("ok      %s\n", promise)
		return
	}
	failed = true
	fmt.Printf("FAILED  %s: %v\n", promise, detail)
}

func equal(promise string, got, wanted string) {
	check(promise, got == wanted, fmt.Sprintf("got %q, wanted %q", got, wanted))
}

func refused(promise, code string, err error, words string) {
	var api smithy.APIError
	if !errors.As(err, &api) {
		check(promise, false, fmt.Sprintf("it was answered, or no API error: %v", err))
		return
	}
	check(promise, api.ErrorCode() == code && strings.Contains(api.ErrorMessage(), words), err)
}

// must ends the tour when a step fails without which the rest says nothing.
func must[T any](value T, err error) T {
	if err != nil {
		check("the tour runs to its end", false, err)
		os.Exit(1)
	}
	return value
}

// Endpoint, Region and credentials come from the environment and the credentials file, as a user's would.
func profile(name string) aws.Config {
	return must(config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(name), config.WithRetryMaxAttempts(1)))
}

func with(key, secret, token string) aws.Config {
	return must(config.LoadDefaultConfig(ctx, config.WithRetryMaxAttempts(1),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(key, secret, token))))
}

func document(statements ...map[string]interface{}) *string {
	text := must(json.Marshal(map[string]interface{}{"Version": "2012-10-17", "Statement": statements}))
	return aws.String(string(text))
}

type statement = map[string]interface{}

func identities() {
	me := must(sts.NewFromConfig(profile("main")).GetCallerIdentity(ctx, nil))
	equal("the main profile is the main account's root", *me.Arn, root)
	other := must(sts.NewFromConfig(profile("second")).GetCallerIdentity(ctx, nil))
	equal("the second profile is the second account", *other.Account, secondAccount)
}

func users() aws.Config {
	client := iam.NewFromConfig(profile("main"))
	user := must(client.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("alice")})).User
	equal("a user has an ARN", *user.Arn, "arn:aws:iam::"+mainAccount+":user/alice")
	_, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("alice")})
	refused("a name is taken once", "EntityAlreadyExists", err, "alice")
	_, err = client.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("nobody")})
	refused("what is not there is not found", "NoSuchEntity", err, "nobody")
	key := must(client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("alice")})).AccessKey
	alice := with(*key.AccessKeyId, *key.SecretAccessKey, "")
	_, err = iam.NewFromConfig(alice).ListUsers(ctx, nil)
	refused("a user may do nothing at first", "AccessDenied", err, "User: "+*user.Arn+" is not authorized to perform: iam:ListUsers")
	_, err = kms.NewFromConfig(alice).ListKeys(ctx, nil)
	refused("nor with a JSON service", "AccessDeniedException", err, "kms:ListKeys")
	policy := must(client.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("list-keys"), PolicyDocument: document(
		statement{"Effect": "Allow", "Action": []string{"kms:ListKeys", "sts:AssumeRole"}, "Resource": "*"})})).Policy
	must(client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: policy.Arn}))
	_, err = kms.NewFromConfig(alice).ListKeys(ctx, nil)
	check("an attached policy allows", err == nil, err)
	role := must(client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("keeper"), AssumeRolePolicyDocument: document(
		statement{"Effect": "Allow", "Principal": statement{"AWS": root}, "Action": "sts:AssumeRole"})})).Role
	given := must(sts.NewFromConfig(alice).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("s1")})).Credentials
	session := with(*given.AccessKeyId, *given.SecretAccessKey, *given.SessionToken)
	equal("a role's session works", *must(sts.NewFromConfig(session).GetCallerIdentity(ctx, nil)).Arn,
		"arn:aws:sts::"+mainAccount+":assumed-role/keeper/s1")
	for _, name := range []string{"bob", "carol", "dave", "erin"} {
		must(client.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String(name)}))
	}
	err = iam.NewUserExistsWaiter(client).Wait(ctx, &iam.GetUserInput{UserName: aws.String("erin")}, 5*time.Second)
	check("the waiter for a user ends", err == nil, err)
	var seen []string
	pages := iam.NewListUsersPaginator(client, &iam.ListUsersInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, one := range must(pages.NextPage(ctx)).Users {
			seen = append(seen, *one.UserName)
		}
	}
	equal("pages of two hold every user once", strings.Join(seen, " "), "alice bob carol dave erin")
	return alice
}

type opener func(*kms.Client) ([]byte, error)

func keys(alice aws.Config) (string, opener) {
	client, theirs := kms.NewFromConfig(profile("main")), kms.NewFromConfig(alice)
	key := must(client.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String("the tour's")})).KeyMetadata
	must(client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/tour"), TargetKeyId: key.KeyId}))
	named := must(client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/tour")}))
	equal("an alias names the key", *named.KeyMetadata.Arn, *key.Arn)
	encryption := map[string]string{"app": "tour"}
	sealed := must(client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String("alias/tour"), Plaintext: []byte("secret"), EncryptionContext: encryption}))
	open := func(by *kms.Client) ([]byte, error) {
		answer, err := by.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: encryption})
		if err != nil {
			return nil, err
		}
		return answer.Plaintext, nil
	}
	equal("decrypt gives the bytes back", string(must(open(client))), "secret")
	_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	refused("another context does not open it", "InvalidCiphertextException", err, "")
	data := must(client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: key.KeyId, KeySpec: kmstypes.DataKeySpecAes256}))
	again := must(client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: data.CiphertextBlob}))
	check("a data key opens to itself", bytes.Equal(data.Plaintext, again.Plaintext), "they differ")
	must(client.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: key.KeyId}))
	check("rotation is on", must(client.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: key.KeyId})).KeyRotationEnabled, "")
	_, err = open(theirs)
	refused("a user without a grant is refused", "AccessDeniedException", err, "kms:Decrypt on resource: "+*key.Arn)
	grant := must(client.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.KeyId, GranteePrincipal: aws.String("arn:aws:iam::" + mainAccount + ":user/alice"),
		Operations: []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt}, Constraints: &kmstypes.GrantConstraints{EncryptionContextSubset: encryption}}))
	plain, err := open(theirs)
	check("a grant lets the user in", err == nil && string(plain) == "secret", err)
	must(client.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: key.KeyId, GrantId: grant.GrantId}))
	_, err = open(theirs)
	refused("and no longer when it is revoked", "AccessDeniedException", err, "")
	signing := must(client.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: kmstypes.KeySpecEccNistP256, KeyUsage: kmstypes.KeyUsageTypeSignVerify})).KeyMetadata
	signed := must(client.Sign(ctx, &kms.SignInput{KeyId: signing.KeyId, Message: []byte("words"), SigningAlgorithm: kmstypes.SigningAlgorithmSpecEcdsaSha256}))
	held := must(client.Verify(ctx, &kms.VerifyInput{KeyId: signing.KeyId, Message: []byte("words"), Signature: signed.Signature,
		SigningAlgorithm: kmstypes.SigningAlgorithmSpecEcdsaSha256}))
	check("a signature holds", held.SignatureValid, "")
	mac := must(client.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: kmstypes.KeySpecHmac256, KeyUsage: kmstypes.KeyUsageTypeGenerateVerifyMac})).KeyMetadata
	made := must(client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: mac.KeyId, Message: []byte("words"), MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256}))
	valid := must(client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: mac.KeyId, Message: []byte("words"), Mac: made.Mac, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256}))
	check("a MAC holds", valid.MacValid, "")
	return *key.Arn, open
}

func accounts(arn string, open opener) {
	client, other := kms.NewFromConfig(profile("main")), kms.NewFromConfig(profile("second"))
	_, err := open(other)
	refused("the second account cannot decrypt", "AccessDeniedException", err, "because no resource-based policy allows the kms:Decrypt action")
	must(client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &arn, PolicyName: aws.String("default"), Policy: document(
		statement{"Effect": "Allow", "Principal": statement{"AWS": root}, "Action": "kms:*", "Resource": "*"},
		statement{"Effect": "Allow", "Principal": statement{"AWS": "arn:aws:iam::" + secondAccount + ":root"}, "Action": "kms:Decrypt", "Resource": "*"})}))
	plain, err := open(other)
	check("its key policy lets the second account in", err == nil && string(plain) == "secret", err)
	manager, member := organizations.NewFromConfig(profile("main")), organizations.NewFromConfig(profile("second"))
	made := must(manager.CreateOrganization(ctx, &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll}))
	equal("the creator manages the organization", *made.Organization.MasterAccountId, mainAccount)
	invited := must(manager.InviteAccountToOrganization(ctx, &organizations.InviteAccountToOrganizationInput{
		Target: &orgtypes.HandshakeParty{Id: aws.String(secondAccount), Type: orgtypes.HandshakePartyTypeAccount}})).Handshake
	accepted := must(member.AcceptHandshake(ctx, &organizations.AcceptHandshakeInput{HandshakeId: invited.Id}))
	equal("the second account accepts", string(accepted.Handshake.State), "ACCEPTED")
	var ids []string
	for _, account := range must(manager.ListAccounts(ctx, nil)).Accounts {
		ids = append(ids, *account.Id)
	}
	sort.Strings(ids)
	equal("both accounts belong to it", strings.Join(ids, " "), mainAccount+" "+secondAccount)
	top := must(manager.ListRoots(ctx, nil)).Roots[0]
	if len(top.PolicyTypes) == 0 {
		must(manager.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: top.Id, PolicyType: orgtypes.PolicyTypeServiceControlPolicy}))
	}
	policy := must(manager.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String("no-decrypt"), Description: aws.String(""),
		Type: orgtypes.PolicyTypeServiceControlPolicy, Content: document(statement{"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"})})).Policy
	must(manager.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: policy.PolicySummary.Id, TargetId: aws.String(secondAccount)}))
	_, err = open(other)
	refused("a service control policy binds the member", "AccessDeniedException", err, "with an explicit deny in a service control policy")
	must(manager.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: policy.PolicySummary.Id, TargetId: aws.String(secondAccount)}))
	_, err = open(other)
	check("detached, it binds nobody", err == nil, err)
}

func audit() {
	trail := cloudtrail.NewFromConfig(profile("main"))
	found := must(trail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{LookupAttributes: []trailtypes.LookupAttribute{
		{AttributeKey: trailtypes.LookupAttributeKeyEventName, AttributeValue: aws.String("CreateAlias")}}}))
	check("a changing call is in the audit log", len(found.Events) == 1 && *found.Events[0].EventSource == "kms.amazonaws.com", found.Events)
	if len(found.Events) > 0 {
		check("with its time", time.Since(*found.Events[0].EventTime) < 2*time.Minute, found.Events[0].EventTime)
		check("and with who called", strings.Contains(*found.Events[0].CloudTrailEvent, root), *found.Events[0].CloudTrailEvent)
	}
}

func main() {
	identities()
	accounts(keys(users()))
	audit()
	objects()
	bucketSettings()
	if failed {
		os.Exit(1)
	}
}
