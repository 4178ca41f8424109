// Derived signing keys, as this folder calls them.
#pragma once
#include "engine/sigv4/keys.h"

namespace coffer::wire {

using sigv4::derive_signing_key;
using sigv4::KeyScope;
using sigv4::signing_keys;
using sigv4::SigningKey;
using sigv4::SigningKeyCache;

}  // namespace coffer::wire
