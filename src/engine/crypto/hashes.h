// OpenSSL's side of Hash; internal to this folder.
#pragma once
#include <openssl/evp.h>

#include "engine/crypto/hmac.h"

namespace coffer::crypto {

const EVP_MD* algorithm_of(Hash hash);

}  // namespace coffer::crypto
