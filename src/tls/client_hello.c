/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_hello.c - not read yet.
 */
#include "tls/client_hello.h"

enum client_hello_verdict client_hello_read(const unsigned char *bytes, size_t size,
                                            struct client_hello *hello)
{
    (void)bytes;
    hello->detail = "not read yet";
    return size == 0 ? CLIENT_HELLO_PARTIAL : CLIENT_HELLO_BROKEN;
}
