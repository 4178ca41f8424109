# coffer::arrow: Arrow and Parquet for C++, from the pyarrow wheel that scripts/setup unpacked (or any folder with its include/ and
# libraries that COFFER_ARROW names). docs/decisions/0009-arrow.md.
file(GLOB arrow_folders ${COFFER_CACHE}/arrow/*/pyarrow)
if(NOT COFFER_ARROW AND arrow_folders)
  list(SORT arrow_folders COMPARE NATURAL)
  list(GET arrow_folders -1 COFFER_ARROW)
endif()
if(NOT COFFER_ARROW)
  message(FATAL_ERROR "no Arrow in ${COFFER_CACHE}/arrow: run scripts/setup --build, or set COFFER_ARROW to a folder with its include/ and libraries")
endif()
file(GLOB arrow_library ${COFFER_ARROW}/libarrow.so.[0-9]*)
file(GLOB parquet_library ${COFFER_ARROW}/libparquet.so.[0-9]*)
if(NOT arrow_library OR NOT parquet_library OR NOT EXISTS ${COFFER_ARROW}/include/parquet/api/writer.h)
  message(FATAL_ERROR "${COFFER_ARROW} does not hold Arrow and Parquet with their headers")
endif()
list(GET arrow_library 0 arrow_library)
list(GET parquet_library 0 parquet_library)

add_library(coffer_arrow INTERFACE)
target_include_directories(coffer_arrow SYSTEM INTERFACE ${COFFER_ARROW}/include)
# libparquet exports an OpenSSL of its own. The system's stands before it in every program, or our cryptography would run on that one
# (tests/engine/parquet/openssl_test.cc).
target_link_options(coffer_arrow INTERFACE LINKER:--push-state,--no-as-needed -lssl -lcrypto LINKER:--pop-state)
target_link_libraries(coffer_arrow INTERFACE ${parquet_library} ${arrow_library})
add_library(coffer::arrow ALIAS coffer_arrow)
