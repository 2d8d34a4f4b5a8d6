/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_client_hello_openssl.c - the first bytes of a connection, read by culvert and by OpenSSL:
 * the same name and verdict, but for what the header of client_hello.h says.
 */
#include <stddef.h>
#include <stdint.h>

#include "tls/hello_cases.h"
#include "tls/openssl_reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *data, size_t size)
{
    static SSL_CTX *context;
    const char *fault;

    if (context == NULL)
        context = openssl_reader_create();
    fault = size == 0 ? NULL : compare_with_openssl(context, data, size);
    if (fault != NULL) {
        fprintf(stderr, "%s\n", fault);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size);
    if (size > 0 && size < 4096) {
        struct hello_draft draft = draft_open(0x0303);
        struct bytes bytes = {.data = NULL};

        /* The same as the extensions of a ClientHello. */
        bytes_put(&draft.message, data + 1, size - 1);
        draft_close_into(&draft, &bytes, 1 + data[0]);
        check(bytes.data, bytes.size);
        bytes_release(&bytes);
    }
    return 0;
}
