/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_words.c - keeping what only some sessions have to tell.
 */
#include "relay/session_words.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "net/proxy_header.h"
#include "relay/session.h"

struct session_words *session_words(struct session *session)
{
    if (session->words == NULL)
        session->words = calloc(1, sizeof(*session->words));
    return session->words;
}

void session_words_release(struct session *session)
{
    struct session_words *words = session->words;

    if (words == NULL)
        return;
    free(words->sni);
    free(words->tls_error);
    free(words->claim);
    free(words->waiting);
    free(words);
    session->words = NULL;
}

bool session_keep_sni(struct session *session, const char *name, size_t length)
{
    struct session_words *words;
    char *sni;

    if (length == 0)
        return true;
    words = session_words(session);
    sni = malloc(length + 1);
    if (words == NULL || sni == NULL || text_fold_name(sni, name, length) == 0) {
        free(sni);
        return words != NULL && sni != NULL;
    }
    free(words->sni);
    words->sni = sni;
    return true;
}

const char *session_sni(const struct session *session)
{
    return session->words != NULL ? session->words->sni : NULL;
}

void session_keep_words(struct session *session, const char *text)
{
    struct session_words *words = text != NULL ? session_words(session) : NULL;

    if (words != NULL && words->tls_error == NULL)
        words->tls_error = strdup(text);
}

void session_keep_proxy_error(struct session *session, const char *text)
{
    struct session_words *words = session_words(session);

    if (words != NULL)
        words->proxy_error = text;
}

bool session_believe(struct session *session, const struct proxy_header *header)
{
    struct session_words *words;

    if (!header->has_addresses && !header->is_local)
        return true;
    words = session_words(session);
    if (words == NULL || words->claim != NULL)
        return words != NULL;
    words->claim = calloc(1, sizeof(*words->claim));
    if (words->claim == NULL)
        return false;
    words->claim->is_local = header->is_local;
    if (header->has_addresses) {
        words->claim->client_socket = session->client;
        words->claim->destination = header->destination;
        session->client = header->source;
    }
    return true;
}

size_t session_announced(const struct session *session)
{
    return session->words != NULL ? session->words->announced : 0;
}

bool session_keep_announced(struct session *session, size_t count)
{
    struct session_words *words = session_words(session);

    if (words != NULL)
        words->announced = (uint16_t)count;
    return words != NULL;
}

const struct session_claim *session_claim(const struct session *session)
{
    return session->words != NULL ? session->words->claim : NULL;
}

const struct addr *session_client_socket(const struct session *session)
{
    const struct session_claim *claim = session_claim(session);

    return claim != NULL && claim->client_socket.family != AF_UNSPEC ? &claim->client_socket
                                                                     : &session->client;
}

void session_destination(const struct session *session, struct addr *destination)
{
    const struct session_claim *claim = session_claim(session);
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);

    if (claim != NULL && claim->destination.family != AF_UNSPEC)
        *destination = claim->destination;
    else if (session->words != NULL && session->words->destination.family != AF_UNSPEC)
        *destination = session->words->destination;
    else if (getsockname(session->conn[FRONTEND].fd, (struct sockaddr *)&storage, &length) == 0)
        addr_from_sockaddr(destination, (struct sockaddr *)&storage, length);
    else
        *destination = (struct addr){.family = AF_UNSPEC};
}
