#include "edge/functions/runtimes.h"

namespace coffer::functions {

const std::string_view kNodeRuntime = R"js(// Speaks the Runtime API for a Node function.
import http from "node:http";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const root = "/2018-06-01/runtime/";

function ask(method, target, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path: root + target, agent, timeout: 0, headers }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
      answer.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

function post(target, text, headers = {}) {
  const body = Buffer.from(text);
  return ask("POST", target, body, { "Content-Type": "application/json", "Content-Length": body.length, ...headers });
}

function described(error) {
  if (error instanceof Error)
    return { errorType: error.name, errorMessage: error.message, trace: (error.stack || "").split("\n") };
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function failure(type, message) {
  const error = new Error(message);
  error.name = type;
  return error;
}

async function load() {
  const name = process.env._HANDLER;
  const dot = name.indexOf(".", name.lastIndexOf("/") + 1);
  if (dot < 0 || name.includes("..")) throw failure("Runtime.MalformedHandlerName", `Bad handler ${name}`);
  const base = path.resolve(process.env.LAMBDA_TASK_ROOT, name.slice(0, dot));
  let module;
  const file = [".js", ".mjs", ".cjs"].map((end) => base + end).find((one) => fs.existsSync(one));
  if (!file) throw failure("Runtime.ImportModuleError", `Error: Cannot find module '${name.slice(0, dot)}'`);
  try {
    module = file.endsWith(".cjs") ? createRequire(file)(file) : await import(pathToFileURL(file).href);
  } catch (error) {
    if (error instanceof SyntaxError) error.name = "Runtime.UserCodeSyntaxError";
    throw error;
  }
  let found = module;
  for (const part of name.slice(dot + 1).split(".")) found = found?.[part] ?? found?.default?.[part];
  if (found === undefined) throw failure("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof found !== "function") throw failure("Runtime.HandlerNotFound", `${name} is not a function`);
  return found;
}

function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const client = headers["lambda-runtime-client-context"];
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: client ? JSON.parse(client) : undefined,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

function run(handler, event, context) {
  return new Promise((resolve, reject) => {
    context.done = (error, result) => (error ? reject(error) : resolve(result));
    context.succeed = resolve;
    context.fail = reject;
    const result = handler(event, context, context.done);
    if (result && typeof result.then === "function") result.then(resolve, reject);
    else if (handler.length < 3 && result !== undefined) resolve(result);
    else if (handler.length < 3) setImmediate(() => resolve(result));
  });
}

let handler;
try {
  handler = await load();
} catch (error) {
  const text = JSON.stringify(described(error));
  console.error(text);
  await post("init/error", text, { "Lambda-Runtime-Function-Error-Type": described(error).errorType });
  process.exit(1);
}
for (;;) {
  const { headers, body } = await ask("GET", "invocation/next");
  const id = headers["lambda-runtime-aws-request-id"];
  process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
  try {
    const result = await run(handler, JSON.parse(body.toString()), contextOf(headers));
    await post(`invocation/${id}/response`, JSON.stringify(result === undefined ? null : result));
  } catch (error) {
    const text = JSON.stringify(described(error));
    console.error(text);
    await post(`invocation/${id}/error`, text, { "Lambda-Runtime-Function-Error-Type": described(error).errorType });
  }
}
)js";

}  // namespace coffer::functions
