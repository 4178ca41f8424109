package main

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const bucket = "go.tour"

func buckets(name string) *s3.Client {
	return s3.NewFromConfig(profile(name), func(o *s3.Options) { o.UsePathStyle = true })
}

func read(body io.ReadCloser) []byte {
	defer body.Close()
	return must(io.ReadAll(body))
}

func objects() {
	client := buckets("main")
	must(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)}))
	_, err := buckets("second").CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	refused("another account cannot take its name", "BucketAlreadyExists", err, "")
	put := must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("dir/a b+\u00fc"), Body: strings.NewReader("what is in it"),
		Metadata: map[string]string{"who": "me"}, ChecksumAlgorithm: s3types.ChecksumAlgorithmCrc32c}))
	check("a checksum is computed and kept", put.ChecksumCRC32C != nil, put)
	got := must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("dir/a b+\u00fc"), ChecksumMode: s3types.ChecksumModeEnabled}))
	equal("the bytes come back", string(read(got.Body)), "what is in it")
	equal("with their metadata", got.Metadata["who"], "me")
	part := must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("dir/a b+\u00fc"), Range: aws.String("bytes=0-3")}))
	equal("a range is a range", string(read(part.Body)), "what")
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("nothing")})
	refused("what is not there is not found", "NoSuchKey", err, "")
	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("nothing")})
	refused("nor by head", "NotFound", err, "")

	large := make([]byte, 12<<20)
	rand.Read(large)
	uploader := manager.NewUploader(client)
	must(uploader.Upload(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("large"), Body: bytes.NewReader(large)}))
	back := manager.NewWriteAtBuffer(nil)
	must(manager.NewDownloader(client).Download(ctx, back, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("large")}))
	check("what is sent in parts comes back in parts", bytes.Equal(large, back.Bytes()), len(back.Bytes()))

	presign := s3.NewPresignClient(client)
	url := must(presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("large")}))
	answer := must(http.Get(url.URL))
	check("a presigned GET works", bytes.Equal(large, read(answer.Body)), answer.Status)
	to := must(presign.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("put")}))
	request := must(http.NewRequest(to.Method, to.URL, strings.NewReader("by url")))
	answer = must(http.DefaultClient.Do(request))
	check("a presigned PUT works", answer.StatusCode == 200, string(read(answer.Body)))

	for _, name := range []string{"a", "b", "c", "d", "e"} {
		must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("list/" + name), Body: strings.NewReader(name)}))
	}
	var seen []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String("list/"), MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, one := range must(pages.NextPage(ctx)).Contents {
			seen = append(seen, (*one.Key)[5:])
		}
	}
	equal("pages of two hold every key once", strings.Join(seen, " "), "a b c d e")
	must(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("copy"), CopySource: aws.String(bucket + "/list/c")}))
	equal("a copy is a copy", string(read(must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("copy")})).Body)), "c")
	gone := must(client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &s3types.Delete{Objects: []s3types.ObjectIdentifier{
		{Key: aws.String("list/a")}, {Key: aws.String("list/b")}}}}))
	check("several go at once", len(gone.Deleted) == 2, gone)
}

func bucketSettings() {
	client, other := buckets("main"), buckets("second")
	must(client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: aws.String(bucket), VersioningConfiguration: &s3types.VersioningConfiguration{
		Status: s3types.BucketVersioningStatusEnabled}}))
	first := must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("v"), Body: strings.NewReader("1")})).VersionId
	must(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("v")}))
	equal("a version stays behind its deletion", string(read(must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("v"),
		VersionId: first})).Body)), "1")
	tags := &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("k"), Value: aws.String("w")}}}
	must(client.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: aws.String(bucket), Tagging: tags}))
	equal("tags come back", *must(client.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: aws.String(bucket)})).TagSet[0].Value, "w")
	_, err := other.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("put")})
	refused("the second account is kept out", "AccessDenied", err, "")
	must(client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: document(statement{"Effect": "Allow",
		"Principal": statement{"AWS": "arn:aws:iam::" + secondAccount + ":root"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::" + bucket + "/*"})}))
	got, err := other.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("put")})
	check("until a policy lets it in", err == nil && string(read(got.Body)) == "by url", err)
}
