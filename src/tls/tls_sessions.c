/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_sessions.c - a small hash table of servers in the order of their use.
 */
#include "tls/tls_sessions.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base.h"
#include "core/list.h"

#define BUCKETS 512

struct kept_server {
    uint64_t key;
    struct list_link by_use;                        /* the least recently used comes first */
    struct list_link by_hash;                       /* in the bucket */
    SSL_SESSION *sessions[TLS_SESSIONS_PER_SERVER]; /* the newest comes last */
    size_t count;
};

struct tls_sessions {
    struct list buckets[BUCKETS];
    struct list by_use;
    size_t servers;
};

struct tls_sessions *tls_sessions_create(void)
{
    struct tls_sessions *sessions = calloc(1, sizeof(*sessions));

    if (sessions == NULL)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&sessions->buckets[i]);
    list_init(&sessions->by_use);
    return sessions;
}

static struct list *bucket_of(struct tls_sessions *sessions, uint64_t key)
{
    return &sessions->buckets[(key ^ key >> 32) % BUCKETS];
}

static struct kept_server *server_find(struct tls_sessions *sessions, uint64_t key)
{
    struct list *bucket = bucket_of(sessions, key);

    for (struct list_link *link = bucket->head.next; link != &bucket->head; link = link->next) {
        struct kept_server *server = CONTAINER_OF(link, struct kept_server, by_hash);

        if (server->key == key)
            return server;
    }
    return NULL;
}

static void server_forget(struct tls_sessions *sessions, struct kept_server *server)
{
    for (size_t i = 0; i < server->count; i++)
        SSL_SESSION_free(server->sessions[i]);
    list_remove(&server->by_use);
    list_remove(&server->by_hash);
    free(server);
    sessions->servers--;
}

static void forget_least_used(struct tls_sessions *sessions)
{
    server_forget(sessions, CONTAINER_OF(sessions->by_use.head.next, struct kept_server, by_use));
}

static struct kept_server *server_add(struct tls_sessions *sessions, uint64_t key)
{
    struct kept_server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return NULL;
    if (sessions->servers == TLS_SESSIONS_SERVERS)
        forget_least_used(sessions);
    server->key = key;
    list_append(bucket_of(sessions, key), &server->by_hash);
    list_append(&sessions->by_use, &server->by_use);
    sessions->servers++;
    return server;
}

void tls_sessions_destroy(struct tls_sessions *sessions)
{
    if (sessions == NULL)
        return;
    while (sessions->servers > 0)
        forget_least_used(sessions);
    free(sessions);
}

static bool is_single_use(const SSL_SESSION *session)
{
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

static bool is_usable(const SSL_SESSION *session)
{
    return SSL_SESSION_is_resumable(session) == 1 &&
           (int64_t)SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session) >
               (int64_t)time(NULL);
}

static void drop_first(struct kept_server *server)
{
    SSL_SESSION_free(server->sessions[0]);
    server->count--;
    memmove(&server->sessions[0], &server->sessions[1],
            server->count * sizeof(server->sessions[0]));
}

void tls_sessions_put(struct tls_sessions *sessions, uint64_t key, SSL_SESSION *session)
{
    struct kept_server *server = server_find(sessions, key);

    if (server == NULL)
        server = server_add(sessions, key);
    if (server == NULL) {
        SSL_SESSION_free(session);
        return;
    }
    /* One session that can be used again is worth as much as many. */
    while (server->count == TLS_SESSIONS_PER_SERVER ||
           (server->count > 0 && !is_single_use(session)))
        drop_first(server);
    server->sessions[server->count++] = session;
}

SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions, uint64_t key)
{
    struct kept_server *server = server_find(sessions, key);

    if (server == NULL)
        return NULL;
    list_remove(&server->by_use);
    list_append(&sessions->by_use, &server->by_use);
    while (server->count > 0) {
        SSL_SESSION *session = server->sessions[server->count - 1];

        if (is_usable(session)) {
            if (is_single_use(session))
                server->count--;
            else
                SSL_SESSION_up_ref(session);
            return session;
        }
        SSL_SESSION_free(session);
        server->count--;
    }
    return NULL;
}
