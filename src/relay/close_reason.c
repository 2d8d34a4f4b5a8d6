/* SPDX-License-Identifier: Apache-2.0 */
/*
 * close_reason.c - the words of close reasons, and which errno means which.
 */
#include "relay/close_reason.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *word;
    const char *sentence;
    enum close_cause cause;
} reasons[] = {
#define CLOSE_REASON(name, word, cause, sentence) [CLOSE_##name] = {word, sentence, CAUSE_##cause},
#include "relay/close_reason.def"
#undef CLOSE_REASON
};

const char *close_reason_word(enum close_reason reason)
{
    return reasons[reason].word;
}

const char *close_reason_sentence(enum close_reason reason)
{
    return reasons[reason].sentence;
}

enum close_cause close_reason_cause(enum close_reason reason)
{
    return reasons[reason].cause;
}

enum close_reason close_reason_from_word(const char *word)
{
    for (unsigned i = 0; i < CLOSE_REASON_COUNT; i++) {
        if (strcmp(word, reasons[i].word) == 0)
            return (enum close_reason)i;
    }
    return CLOSE_REASON_COUNT;
}

enum close_reason close_reason_from_error(int error, bool is_client)
{
    switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return is_client ? CLOSE_CLIENT_RESET : CLOSE_SERVER_RESET;
    case ENOBUFS:
    case ENOMEM:
        return CLOSE_NO_RESOURCES;
    default:
        /* ETIMEDOUT, EHOSTUNREACH, ENETUNREACH and other news of a lost path: it fell silent. */
        return is_client ? CLOSE_CLIENT_DEAD : CLOSE_SERVER_DEAD;
    }
}

enum close_reason close_reason_from_connect_error(int error)
{
    switch (error) {
    case ECONNREFUSED:
    case EAGAIN: /* unix sockets: the backlog is full */
        return CLOSE_CONNECT_REFUSED;
    case ETIMEDOUT:
        return CLOSE_CONNECT_TIMEOUT;
    case EADDRNOTAVAIL:
        return CLOSE_PORTS_EXHAUSTED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return CLOSE_NO_RESOURCES;
    default:
        return CLOSE_CONNECT_FAILED;
    }
}

bool close_reason_blames_server(enum close_reason reason)
{
    return reason == CLOSE_CONNECT_REFUSED || reason == CLOSE_CONNECT_TIMEOUT ||
           reason == CLOSE_CONNECT_FAILED || reason == CLOSE_SERVER_TLS;
}
