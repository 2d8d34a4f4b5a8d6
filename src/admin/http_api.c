/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_api.c - the doors of the API, who may come in, and which handler answers.
 *
 * A door is one evhttp server: the control socket (may change things), the addresses of [admin]
 * bind (read only) and those of [metrics] bind (metrics and probes only). Every request gets its
 * answer before its callback returns, and every connection carries one request: evhttp ends the
 * process when a second request meets an unanswered one (libevent 2.1).
 */
#include "admin/http_api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/log.h"
#include "net/socket.h"
#include "admin/connection_gate.h"
#include "admin/dns_view.h"
#include "admin/exchange.h"
#include "admin/health_view.h"
#include "admin/metrics.h"
#include "admin/overview.h"
#include "admin/pool_control.h"
#include "admin/probes.h"
#include "admin/sessions_view.h"
#include "admin/tls_view.h"

#define MOST_HEADER_BYTES (8 * 1024)
#define MOST_BODY_BYTES (64 * 1024)
#define TIMEOUT_SECONDS 5
#define BACKLOG 16

#define DEFAULT_SOCKET_FOLDER "/run/culvert"
#define DEFAULT_SOCKET_PATH DEFAULT_SOCKET_FOLDER "/culvert.sock"

enum door_kind { DOOR_SOCKET, DOOR_ADMIN, DOOR_METRICS, DOOR_COUNT };

/* 16 connections in all; the clients of one door cannot take another's places. */
static const unsigned door_places[DOOR_COUNT] = {
    [DOOR_SOCKET] = 8,
    [DOOR_ADMIN] = 4,
    [DOOR_METRICS] = 4,
};

struct door {
    struct http_api *api;
    enum door_kind kind;
    struct evhttp *http; /* NULL: closed */
    struct connection_gate gate;
};

struct http_api {
    struct event_base *base;
    const struct admin_view *view;
    struct door doors[DOOR_COUNT];
    struct addr socket_addr; /* AF_UNSPEC: no control socket */
    char *socket_path;
};

/* ---- endpoints ---------------------------------------------------------------------------- */

/* What may follow an endpoint's path. */
enum rest {
    REST_NONE,
    REST_NAME, /* one name */
    REST_PATH, /* names and words with '/' between them, for the handler to read */
};

/* What a request needs to be allowed. */
enum permission {
    MAY_PROBE,  /* metrics and probes: every door */
    MAY_READ,   /* the control socket and [admin] bind */
    MAY_CHANGE, /* the control socket */
};

struct endpoint {
    enum evhttp_cmd_type method;
    enum permission permission;
    enum rest rest;
    const char *path;
    void (*handle)(const struct question *question, struct answer *answer);
    const char *help;
};

static void handle_index(const struct question *question, struct answer *answer);

/* The one table: what exists, and what it takes to be allowed. */
static const struct endpoint endpoints[] = {
    {EVHTTP_REQ_GET, MAY_PROBE, REST_NONE, "/healthz", probe_health,
     "200 while all event loops turn"},
    {EVHTTP_REQ_GET, MAY_PROBE, REST_NONE, "/readyz", probe_ready,
     "200 while new sessions are served"},
    {EVHTTP_REQ_GET, MAY_PROBE, REST_NONE, "/metrics", metrics_handle, "metrics for Prometheus"},
    {EVHTTP_REQ_GET, MAY_READ, REST_NONE, "/", handle_index, "this list"},
    {EVHTTP_REQ_GET, MAY_READ, REST_NONE, "/api/v1/overview", overview_handle,
     "the process at a glance"},
    {EVHTTP_REQ_GET, MAY_READ, REST_NONE, "/api/v1/listeners", overview_handle_listeners,
     "listeners with their real addresses"},
    {EVHTTP_REQ_GET, MAY_READ, REST_NONE, "/api/v1/pools", overview_handle_pools,
     "pools and their servers"},
    {EVHTTP_REQ_POST, MAY_CHANGE, REST_PATH, "/api/v1/pools/", pool_control_handle,
     "POOL/pause, POOL/resume, POOL/servers/SERVER {\"state\":…,\"weight\":…}"},
    {EVHTTP_REQ_GET, MAY_READ, REST_NONE, "/api/v1/sessions", sessions_view_handle_list,
     "live sessions; ?listener= pool= server= sni= phase= limit="},
    {EVHTTP_REQ_GET, MAY_READ, REST_NAME, "/api/v1/sessions/", sessions_view_handle_one,
     "one session"},
    {EVHTTP_REQ_DELETE, MAY_CHANGE, REST_NAME, "/api/v1/sessions/", sessions_view_handle_kill,
     "end a session"},
    {EVHTTP_REQ_GET, MAY_READ, REST_NONE, "/api/v1/health", health_view_handle,
     "the checks of servers and their last results"},
    {EVHTTP_REQ_GET, MAY_READ, REST_NONE, "/api/v1/dns", dns_view_handle_list,
     "names of servers, and what the DNS says of them"},
    {EVHTTP_REQ_GET, MAY_READ, REST_NONE, "/api/v1/tls", tls_view_handle_list,
     "certificates, and what became of their loads"},
    {EVHTTP_REQ_POST, MAY_CHANGE, REST_NONE, "/api/v1/reload", tls_view_handle_reload,
     "read certificates, sni_maps and lists of addresses anew"},
    {EVHTTP_REQ_GET, MAY_READ, REST_NONE, "/api/v1/version", overview_handle_version, "versions"},
};

static const char *method_word(enum evhttp_cmd_type method)
{
    return method == EVHTTP_REQ_GET ? "GET" : method == EVHTTP_REQ_POST ? "POST" : "DELETE";
}

static void handle_index(const struct question *question, struct answer *answer)
{
    (void)question;
    answer->status = HTTP_OK;
    answer->content_type = "text/plain; charset=utf-8";
    evbuffer_add_printf(answer->body, "culvert %s\n\n", question->view->version);
    for (size_t i = 0; i < ARRAY_LENGTH(endpoints); i++)
        evbuffer_add_printf(answer->body, "%-6s %s%-*s  %s\n", method_word(endpoints[i].method),
                            endpoints[i].path, 22 - (int)strlen(endpoints[i].path),
                            endpoints[i].rest == REST_NAME ? "ID" : "", endpoints[i].help);
}

static bool is_visible(const struct endpoint *endpoint, enum door_kind door)
{
    return door != DOOR_METRICS || endpoint->permission == MAY_PROBE;
}

static bool is_allowed(const struct endpoint *endpoint, enum door_kind door)
{
    switch (endpoint->permission) {
    case MAY_PROBE:
        return true;
    case MAY_READ:
        return door == DOOR_SOCKET || door == DOOR_ADMIN;
    case MAY_CHANGE:
        return door == DOOR_SOCKET;
    }
    return false;
}

static bool matches(const struct endpoint *endpoint, const char *path, const char **name)
{
    size_t length = strlen(endpoint->path);

    *name = "";
    if (endpoint->rest == REST_NONE)
        return strcmp(endpoint->path, path) == 0;
    *name = path + length;
    return strncmp(endpoint->path, path, length) == 0 && path[length] != '\0' &&
           (endpoint->rest == REST_PATH || strchr(path + length, '/') == NULL);
}

static void answer_unknown_path(enum door_kind door, const char *path, struct answer *answer)
{
    struct nearest nearest = {.word = path};

    for (size_t i = 0; i < ARRAY_LENGTH(endpoints); i++) {
        if (is_visible(&endpoints[i], door) && endpoints[i].rest == REST_NONE)
            nearest_consider(&nearest, endpoints[i].path);
    }
    answer_error(answer, HTTP_NOTFOUND, nearest.best, "nothing is at '%s'", path);
}

/* Finds the endpoint, checks the permission, and answers. */
static void answer_request(struct door *door, struct evhttp_request *request, struct answer *answer)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = evhttp_uri_get_path(uri);
    const char *query_text = evhttp_uri_get_query(uri);
    const char *accept = evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");
    const struct endpoint *found = NULL;
    bool is_known = false;
    struct question question = {.view = door->api->view, .accept = accept != NULL ? accept : ""};
    struct evkeyvalq query;

    if (path == NULL || path[0] == '\0')
        path = "/";
    for (size_t i = 0; found == NULL && i < ARRAY_LENGTH(endpoints); i++) {
        if (!is_visible(&endpoints[i], door->kind) || !matches(&endpoints[i], path, &question.name))
            continue;
        is_known = true;
        if (endpoints[i].method == evhttp_request_get_command(request))
            found = &endpoints[i];
    }
    if (!is_known) {
        answer_unknown_path(door->kind, path, answer);
    } else if (found == NULL) {
        answer_error(answer, HTTP_BADMETHOD, NULL, "'%s' does not know this method", path);
    } else if (!is_allowed(found, door->kind)) {
        answer_error(answer, 403, NULL, "only the control socket may do this");
    } else {
        TAILQ_INIT(&query);
        if (query_text != NULL && evhttp_parse_query_str(query_text, &query) == -1) {
            answer_error(answer, HTTP_BADREQUEST, NULL, "the query is malformed");
        } else {
            struct evbuffer *body = evhttp_request_get_input_buffer(request);

            question.query = &query;
            question.body_length = evbuffer_get_length(body);
            question.body = (const char *)evbuffer_pullup(body, -1);
            found->handle(&question, answer);
        }
        evhttp_clear_headers(&query);
    }
}

/* ---- security ----------------------------------------------------------------------------- */

/*
 * A page in a browser of this machine can be made to ask us under its own name (DNS rebinding). So
 * over TCP the host must be an address or localhost; a request without one (HTTP/1.0) comes from no
 * browser.
 */
static bool is_host_allowed(struct evhttp_request *request)
{
    const char *host = evhttp_request_get_host(request);
    size_t length = host != NULL ? strlen(host) : 0;
    unsigned char address[sizeof(struct in6_addr)];
    char plain[INET6_ADDRSTRLEN];

    if (host == NULL)
        return request->major == 1 && request->minor == 0;
    if (strcasecmp(host, "localhost") == 0 || inet_pton(AF_INET, host, address) == 1)
        return true;
    if (length < 2 || host[0] != '[' || host[length - 1] != ']' || length - 2 >= sizeof(plain))
        return false;
    memcpy(plain, host + 1, length - 2);
    plain[length - 2] = '\0';
    return inet_pton(AF_INET6, plain, address) == 1;
}

static void on_sent(struct evhttp_request *request, void *argument)
{
    struct door *door = argument;

    (void)request;
    connection_gate_sweep_soon(&door->gate);
}

static void on_request(struct evhttp_request *request, void *argument)
{
    struct door *door = argument;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct answer answer = {.status = HTTP_INTERNAL, .body = evbuffer_new()};

    if (answer.body == NULL) {
        evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    if (door->kind != DOOR_SOCKET && !is_host_allowed(request))
        answer_error(&answer, 421, NULL, "this host name is not served here");
    else
        answer_request(door, request, &answer);

    evhttp_add_header(headers, "Content-Type", answer.content_type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Content-Security-Policy", "default-src 'none'");
    evhttp_add_header(headers, "Connection", "close");
    evhttp_request_set_on_complete_cb(request, on_sent, door);
    /* However long the answer took to make: its time is for taking it. */
    connection_gate_complete(&door->gate, evhttp_connection_get_bufferevent(connection));
    evhttp_send_reply(request, answer.status, NULL, answer.body);
    evbuffer_free(answer.body);
}

/* ---- doors -------------------------------------------------------------------------------- */

static bool door_open(struct door *door, struct error *error)
{
    if (door->http != NULL)
        return true;
    door->http = evhttp_new(door->api->base);
    if (door->http == NULL ||
        !connection_gate_open(&door->gate, door->api->base, door->http, door_places[door->kind],
                              TIMEOUT_SECONDS * 1000))
        return error_set(error, EX_OSERR, "out of memory for the control socket");
    evhttp_set_max_headers_size(door->http, MOST_HEADER_BYTES);
    evhttp_set_max_body_size(door->http, MOST_BODY_BYTES);
    evhttp_set_timeout(door->http, TIMEOUT_SECONDS);
    evhttp_set_allowed_methods(door->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
    evhttp_set_gencb(door->http, on_request, door);
    return true;
}

static bool door_listen(struct door *door, const struct addr *addr,
                        const struct listen_options *options, struct error *error)
{
    struct evconnlistener *listener;
    int fd;

    if (!door_open(door, error) || !socket_listen(addr, options, &fd, 1, error))
        return false;
    listener = evconnlistener_new(door->api->base, NULL, NULL,
                                  LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (listener == NULL) {
        close(fd);
        return error_set(error, EX_OSERR, "out of memory for the control socket");
    }
    if (evhttp_bind_listener(door->http, listener) == NULL) {
        evconnlistener_free(listener);
        return error_set(error, EX_OSERR, "out of memory for the control socket");
    }
    if (!connection_gate_add(&door->gate, listener))
        return error_set(error, EX_OSERR, "out of memory for the control socket");
    return true;
}

static void door_close(struct door *door)
{
    if (door->http != NULL)
        evhttp_free(door->http);
    door->http = NULL;
    connection_gate_close(&door->gate);
}

/* The control socket. The default place is used when that is possible, and its failure is no
   reason not to start: the configuration did not ask for it. */
static bool open_control_socket(struct http_api *api, const struct process_config *process,
                                struct error *error)
{
    const struct listen_options options = {
        .backlog = BACKLOG,
        .socket_mode = process->admin_socket_mode,
        .socket_group = process->admin_socket_group,
    };
    const char *path = process->admin_socket;
    bool is_default = path != NULL && path[0] == '\0';

    if (is_default)
        path = access(DEFAULT_SOCKET_FOLDER, W_OK) == 0 ? DEFAULT_SOCKET_PATH : NULL;
    if (path == NULL)
        return true;
    api->socket_path = strdup(path);
    if (api->socket_path == NULL)
        return error_set(error, EX_OSERR, "out of memory for the control socket");
    api->socket_addr = (struct addr){.family = AF_UNIX, .path = api->socket_path};
    if (door_listen(&api->doors[DOOR_SOCKET], &api->socket_addr, &options, error))
        return true;
    api->socket_addr.family = AF_UNSPEC; /* not ours: leave the file alone */
    free(api->socket_path);
    api->socket_path = NULL;
    if (!is_default)
        return error_prefix(error, "[admin] socket");
    log_message(LOG_WARN, "control_socket_off", "%s", error->text);
    error->text[0] = '\0';
    error->exit_code = 0;
    return true;
}

static bool open_addresses(struct http_api *api, enum door_kind kind, const struct addr *addrs,
                           unsigned count, struct error *error)
{
    const struct listen_options options = {.backlog = BACKLOG, .socket_group = (gid_t)-1};

    for (unsigned i = 0; i < count; i++) {
        if (!door_listen(&api->doors[kind], &addrs[i], &options, error))
            return error_prefix(error, kind == DOOR_ADMIN ? "[admin] bind" : "[metrics] bind");
    }
    return true;
}

struct http_api *http_api_open(struct event_base *base, const struct admin_view *view,
                               struct error *error)
{
    const struct process_config *process = &view->snapshot->process;
    struct http_api *api = calloc(1, sizeof(*api));

    if (api == NULL) {
        error_set(error, EX_OSERR, "out of memory for the control socket");
        return NULL;
    }
    api->base = base;
    api->view = view;
    for (int kind = 0; kind < DOOR_COUNT; kind++) {
        api->doors[kind].api = api;
        api->doors[kind].kind = (enum door_kind)kind;
    }
    if (!open_control_socket(api, process, error) ||
        !open_addresses(api, DOOR_ADMIN, process->admin_binds, process->admin_bind_count, error) ||
        !open_addresses(api, DOOR_METRICS, process->metrics_binds, process->metrics_bind_count,
                        error)) {
        http_api_close(api);
        return NULL;
    }
    return api;
}

void http_api_close(struct http_api *api)
{
    if (api == NULL)
        return;
    for (int kind = 0; kind < DOOR_COUNT; kind++)
        door_close(&api->doors[kind]);
    socket_unlink(&api->socket_addr);
    free(api->socket_path);
    free(api);
}

const char *http_api_socket_path(const struct http_api *api)
{
    return api->socket_path;
}
