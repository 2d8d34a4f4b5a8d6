/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_error.h - OpenSSL's error queue in words.
 */
#ifndef CULVERT_TLS_TLS_ERROR_H
#define CULVERT_TLS_TLS_ERROR_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "core/base.h"
#include "core/text.h"

/*
 * Takes everything off the thread's error queue and appends what it says, in OpenSSL's words: of
 * several entries the first of its TLS part, or the first of all. With an `ssl` whose peer's
 * certificate was not accepted, also why. Appends nothing when the queue is empty.
 * True when an entry says that memory ran out or that OpenSSL failed by itself: then what failed
 * says nothing of the peer.
 */
bool tls_error_take(const SSL *ssl, struct text *text);

#endif
