// The tour of S3 with the JavaScript SDK v3: its default checksums, streams and presigned URLs. Prints a line a check.
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { randomBytes } from "node:crypto";

const require = createRequire(process.env.COFFER_CLIENTS + "/javascript/package.json");
const { S3, GetObjectCommand, PutObjectCommand, paginateListObjectsV2, waitUntilObjectExists } = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const BUCKET = "javascript.tour";
let failed = false;

function check(promise, good, detail) {
  console.log(good ? `ok      ${promise}` : `FAILED  ${promise}: ${detail}`);
  failed ||= !good;
}
const equal = (promise, got, wanted) =>
  check(promise, JSON.stringify(got) === JSON.stringify(wanted), `got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
async function refused(promise, code, call) {
  try {
    check(promise, false, "it was answered: " + JSON.stringify(await call()));
  } catch (error) {
    check(promise, error.name === code, `${error.name}: ${error.message}`);
  }
}
const as = (profile, more = {}) => new S3({ profile, maxAttempts: 1, forcePathStyle: true, ...more });
const s3 = as("main");

async function objects() {
  await s3.createBucket({ Bucket: BUCKET });
  await refused("another account cannot take its name", "BucketAlreadyExists", () => as("second").createBucket({ Bucket: BUCKET }));
  const put = await s3.putObject({ Bucket: BUCKET, Key: "dir/a b+ü", Body: "what is in it", Metadata: { who: "me" }, ContentType: "text/x" });
  check("a checksum is sent and kept", Boolean(put.ChecksumCRC32), JSON.stringify(put));
  const got = await s3.getObject({ Bucket: BUCKET, Key: "dir/a b+ü" });
  equal("the bytes come back", await got.Body.transformToString(), "what is in it");
  equal("with what was said of them", [got.ContentType, got.Metadata, got.ETag === put.ETag], ["text/x", { who: "me" }, true]);
  const part = await s3.getObject({ Bucket: BUCKET, Key: "dir/a b+ü", Range: "bytes=0-3" });
  equal("a range is a range", [await part.Body.transformToString(), part.ContentRange], ["what", "bytes 0-3/13"]);
  await refused("what is not there is not found", "NoSuchKey", () => s3.getObject({ Bucket: BUCKET, Key: "nothing" }));
  await refused("nor by head", "NotFound", () => s3.headObject({ Bucket: BUCKET, Key: "nothing" }));
  await refused("a key is created once", "PreconditionFailed", () => s3.putObject({ Bucket: BUCKET, Key: "dir/a b+ü", Body: "x", IfNoneMatch: "*" }));
  await waitUntilObjectExists({ client: s3, maxWaitTime: 10 }, { Bucket: BUCKET, Key: "dir/a b+ü" });
  for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
    const answer = await s3.putObject({ Bucket: BUCKET, Key: "sum", Body: "123456789", ChecksumAlgorithm }).catch((error) => error);
    if (answer instanceof Error && /CRT|dependency|install/i.test(answer.message)) continue; // an optional package of the SDK
    check(`${ChecksumAlgorithm} is taken`, Boolean(answer["Checksum" + ChecksumAlgorithm]), answer);
  }
}

async function streams() {
  const large = randomBytes(3 * 1024 * 1024 + 5);
  await s3.putObject({ Bucket: BUCKET, Key: "stream", Body: Readable.from([large.subarray(0, 1000), large.subarray(1000)]), ContentLength: large.length });
  const got = await (await s3.getObject({ Bucket: BUCKET, Key: "stream" })).Body.transformToByteArray();
  check("a stream arrives as it was sent", large.equals(got), `${got.length} bytes`);
  const upload = new Upload({ client: s3, params: { Bucket: BUCKET, Key: "parts", Body: Readable.from([large, large, large, large]) }, partSize: 5 << 20 });
  const done = await upload.done();
  check("an upload in parts ends", done.ETag.endsWith('-3"'), done.ETag);
  equal("all of it is there", (await s3.headObject({ Bucket: BUCKET, Key: "parts" })).ContentLength, 4 * large.length);
  const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: BUCKET, Key: "stream" }));
  check("a presigned GET works", large.equals(Buffer.from(await (await fetch(url)).arrayBuffer())), url);
  const other = as("main", { requestChecksumCalculation: "WHEN_REQUIRED" });
  const target = await getSignedUrl(other, new PutObjectCommand({ Bucket: BUCKET, Key: "put", Metadata: { by: "url" } }));
  equal("a presigned PUT works", (await fetch(target, { method: "PUT", body: "by url" })).status, 200);
  const head = await s3.headObject({ Bucket: BUCKET, Key: "put" });
  equal("with the metadata in its query", [head.ContentLength, head.Metadata], [6, { by: "url" }]);
}

async function listings() {
  for (const name of ["a", "b", "c", "d", "e"]) await s3.putObject({ Bucket: BUCKET, Key: "list/" + name, Body: name });
  const seen = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket: BUCKET, Prefix: "list/" }))
    seen.push(...page.Contents.map((one) => one.Key.slice(5)));
  equal("pages of two hold every key once", seen, ["a", "b", "c", "d", "e"]);
  const folders = await s3.listObjectsV2({ Bucket: BUCKET, Delimiter: "/" });
  equal("a delimiter makes folders", folders.CommonPrefixes.map((one) => one.Prefix), ["dir/", "list/"]);
  check("dates are dates", folders.Contents[0].LastModified instanceof Date, folders.Contents[0].LastModified);
  const gone = await s3.deleteObjects({ Bucket: BUCKET, Delete: { Objects: [{ Key: "list/a" }, { Key: "list/b" }] } });
  equal("several go at once", gone.Deleted.length, 2);
  await s3.copyObject({ Bucket: BUCKET, Key: "copy", CopySource: BUCKET + "/list/c" });
  equal("a copy is a copy", await (await s3.getObject({ Bucket: BUCKET, Key: "copy" })).Body.transformToString(), "c");
}

async function settings() {
  await s3.putBucketVersioning({ Bucket: BUCKET, VersioningConfiguration: { Status: "Enabled" } });
  const first = (await s3.putObject({ Bucket: BUCKET, Key: "v", Body: "1" })).VersionId;
  await s3.putObject({ Bucket: BUCKET, Key: "v", Body: "2" });
  equal("a version stays", await (await s3.getObject({ Bucket: BUCKET, Key: "v", VersionId: first })).Body.transformToString(), "1");
  await s3.putObjectTagging({ Bucket: BUCKET, Key: "v", Tagging: { TagSet: [{ Key: "k", Value: "w" }] } });
  equal("tags come back", (await s3.getObjectTagging({ Bucket: BUCKET, Key: "v" })).TagSet, [{ Key: "k", Value: "w" }]);
  const second = as("second");
  await refused("the second account is kept out", "AccessDenied", () => second.getObject({ Bucket: BUCKET, Key: "v" }));
  await s3.putBucketPolicy({ Bucket: BUCKET, Policy: JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow",
    Principal: { AWS: "arn:aws:iam::222222222222:root" }, Action: "s3:GetObject", Resource: `arn:aws:s3:::${BUCKET}/*` }] }) });
  equal("until a policy lets it in", await (await second.getObject({ Bucket: BUCKET, Key: "v" })).Body.transformToString(), "2");
  equal("another Region's client finds the bucket", (await as("main", { region: "us-east-2", followRegionRedirects: true })
    .headBucket({ Bucket: BUCKET })).BucketRegion, "us-east-1");
}

try {
  await objects();
  await streams();
  await listings();
  await settings();
} catch (error) {
  check("the tour runs to its end", false, `${error.name}: ${error.message} ${error.stack}`);
}
process.exit(failed ? 1 : 0);
