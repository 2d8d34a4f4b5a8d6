/* SPDX-License-Identifier: Apache-2.0 */
/*
 * close_reason.h - why a session ended: one value of a closed list, and its words.
 */
#ifndef CULVERT_RELAY_CLOSE_REASON_H
#define CULVERT_RELAY_CLOSE_REASON_H

#include <stdbool.h>

#include "core/base.h"

enum close_cause { CAUSE_NOBODY, CAUSE_CLIENT, CAUSE_SERVER, CAUSE_CULVERT };

enum close_reason {
#define CLOSE_REASON(name, word, cause, sentence) CLOSE_##name,
#include "relay/close_reason.def"
#undef CLOSE_REASON
    CLOSE_REASON_COUNT,
};

/* The word of log, metrics and API: "server_reset". */
const char *close_reason_word(enum close_reason reason);

/* One sentence for people. */
const char *close_reason_sentence(enum close_reason reason);

enum close_cause close_reason_cause(enum close_reason reason);

/* The reason with this word, or CLOSE_REASON_COUNT. */
enum close_reason close_reason_from_word(const char *word);

/* A connection of the client (is_client) or the server broke with this errno while relaying. */
enum close_reason close_reason_from_error(int error, bool is_client);

/* Connecting to a server failed with this errno. */
enum close_reason close_reason_from_connect_error(int error);

/* Whether a failed connect was the server's doing: local shortages never count against it. */
bool close_reason_blames_server(enum close_reason reason);

#endif
