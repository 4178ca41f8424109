// libparquet brings an OpenSSL of its own and exports it. Ours must be the system's.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <string>

namespace coffer::parquet {

TEST(OpenSsl, IsTheSystemsInAProgramThatAlsoLinksParquet) {
  for (const char* name : {"EVP_DigestInit_ex", "EVP_CIPHER_fetch", "OpenSSL_version", "SSL_CTX_new"}) {
    void* symbol = ::dlsym(RTLD_DEFAULT, name);
    ASSERT_NE(symbol, nullptr) << name;
    Dl_info info{};
    ASSERT_NE(::dladdr(symbol, &info), 0) << name;
    const std::string library = info.dli_fname;
    EXPECT_TRUE(library.find("libcrypto.so") != std::string::npos || library.find("libssl.so") != std::string::npos)
        << name << " is answered by " << library;
  }
}

}  // namespace coffer::parquet
