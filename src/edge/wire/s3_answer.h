// S3's answers: what rest-xml by the model does not say.
#pragma once
#include "edge/wire/front_progress.h"
#include "edge/wire/http.h"

namespace coffer::wire {

/// The answer of an operation. Takes the body out of `at.reply`. 206 when the output has a ContentRange.
Response encode_s3_output(Progress& at, const api::Value& output);

/// A failure, with Resource, RequestId, HostId, and what `at.reply` and the address add. A 304 has no body.
Response encode_s3_error(const Progress& at, const Error& error);

}  // namespace coffer::wire
