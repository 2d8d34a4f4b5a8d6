/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint.c - reading addresses, with an answer for each way to get one wrong.
 */
#include "config/endpoint.h"

#include <stdlib.h>
#include <string.h>

/* Longest host name and longest part of one (RFC 1035, 2.3.4). */
#define HOST_MAX 253
#define LABEL_MAX 63

static bool is_letter_or_digit(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

/* Labels of letters, digits, '-' and '_', with at least one letter in the last one, so that no
   mistyped IPv4 address passes for a name. */
static bool is_host_name(const char *host, size_t length)
{
    bool has_letter = false;
    size_t label = 0;

    if (length > 0 && host[length - 1] == '.')
        length--;
    if (length == 0 || length > HOST_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (host[i] == '.') {
            if (label == 0 || host[i - 1] == '-')
                return false;
            label = 0;
            has_letter = false;
            continue;
        }
        if (!is_letter_or_digit(host[i]) && host[i] != '_' && (host[i] != '-' || label == 0))
            return false;
        has_letter |= host[i] < '0' || host[i] > '9';
        if (++label > LABEL_MAX)
            return false;
    }
    bool is_hexadecimal = length > 2 && host[0] == '0' && (host[1] == 'x' || host[1] == 'X');
    return label > 0 && has_letter && host[length - 1] != '-' && !is_hexadecimal;
}

static bool parse_port(const char *string, int least, uint16_t *port, struct error *error)
{
    unsigned value = 0;
    size_t length = strlen(string);

    if (length == 0 || length > 5 || strspn(string, "0123456789") != length)
        return error_set(error, 0, "'%s' is no port: a number from %d to 65535", string, least);
    for (size_t i = 0; i < length; i++)
        value = value * 10 + (unsigned)(string[i] - '0');
    if (value > 65535 || (int)value < least)
        return error_set(error, 0, "'%s' is no port: a number from %d to 65535", string, least);
    *port = (uint16_t)value;
    return true;
}

static bool parse_unix(const char *string, const char *path, struct endpoint *endpoint,
                       struct error *error)
{
    bool is_abstract = path[0] == '@';

    if (!is_abstract && path[0] != '/')
        return error_set(error, 0, "'%s' needs an absolute path: unix:/path, or unix:@name",
                         string);
    if (strlen(path + (is_abstract ? 1 : 0)) > ADDR_PATH_MAX)
        return error_set(error, 0, "this path is longer than the %d bytes a unix socket can have",
                         ADDR_PATH_MAX);
    if (path[1] == '\0')
        return error_set(error, 0, "'%s' names no socket", string);
    endpoint->host = strdup(path + (is_abstract ? 1 : 0));
    if (endpoint->host == NULL)
        return error_set(error, 0, "out of memory");
    endpoint->kind = ENDPOINT_UNIX;
    endpoint->addr = (struct addr){.family = AF_UNIX, .is_abstract = is_abstract};
    endpoint->addr.path = endpoint->host;
    return true;
}

static bool parse_builtin(const char *word, struct endpoint *endpoint, struct error *error)
{
    endpoint->kind = ENDPOINT_BUILTIN;
    endpoint->builtin = builtin_from_word(word);
    if (endpoint->builtin == BUILTIN_NONE)
        return error_set(error, 0,
                         "there is no 'builtin:%s'; there are builtin:echo, "
                         "builtin:discard and builtin:chargen",
                         word);
    return true;
}

/* What stands behind "srv:": _service._proto.name. */
static bool parse_srv(const char *string, const char *name, struct endpoint *endpoint,
                      struct error *error)
{
    const char *proto = strchr(name, '.');
    const char *domain = proto == NULL ? NULL : strchr(proto + 1, '.');

    if (name[0] != '_' || domain == NULL || proto[1] != '_' || domain[1] == '\0')
        return error_set(error, 0, "'%s' is no SRV name: srv:_service._proto.name, and no port",
                         string);
    if (!is_host_name(name, strlen(name)))
        return error_set(error, 0, "'%.300s' is no name of the DNS", name);
    endpoint->kind = ENDPOINT_SRV;
    endpoint->host = strdup(name);
    return endpoint->host != NULL || error_set(error, 0, "out of memory");
}

/* A v4-mapped address means the IPv4 address inside. */
static void unmap(struct addr *addr)
{
    if (addr->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&addr->v6))
        return;
    struct in_addr v4;
    memcpy(&v4, addr->v6.s6_addr + 12, sizeof(v4));
    *addr = (struct addr){.family = AF_INET, .port = addr->port, .v4 = v4};
}

static bool is_wildcard(const struct addr *addr)
{
    return (addr->family == AF_INET && addr->v4.s_addr == htonl(INADDR_ANY)) ||
           (addr->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->v6));
}

/* What stands before the port's colon. */
static bool parse_host(const char *string, size_t length, enum endpoint_use use,
                       struct endpoint *endpoint, struct error *error)
{
    struct addr *addr = &endpoint->addr;

    endpoint->kind = ENDPOINT_IP;
    addr->port = endpoint->port;
    if (use == ENDPOINT_FOR_BIND && length == 0) {
        addr->family = AF_INET6;
        return true;
    }
    if (use == ENDPOINT_FOR_BIND && length == 1 && string[0] == '*') {
        addr->family = AF_INET;
        return true;
    }
    if (length == 0 || (length == 1 && string[0] == '*'))
        return error_set(error, 0, "'%s' needs a host: a server is host:port", string);
    if (string[0] != '[' && memchr(string, ':', length) != NULL)
        return error_set(error, 0,
                         "write an IPv6 address in brackets and the port behind them: "
                         "[::1]:80");
    if (addr_parse_ip(string, length, addr)) {
        unmap(addr);
        if (use == ENDPOINT_FOR_SERVER && is_wildcard(addr))
            return error_set(error, 0, "'%s' is every address of this machine; a server needs one",
                             string);
        return true;
    }
    if (string[0] == '[')
        return error_set(error, 0, "'%.*s' is no IPv6 address", (int)length, string);
    if (!is_host_name(string, length))
        return error_set(error, 0, "'%.*s' is neither an IP address nor a host name",
                         length > 300 ? 300 : (int)length, string);
    endpoint->kind = ENDPOINT_HOST;
    endpoint->host = strndup(string, length);
    return endpoint->host != NULL || error_set(error, 0, "out of memory");
}

/* Forms that are known but not built yet. */
static const char *later_form(const char *string, enum endpoint_use use)
{
    static const char *const bind_forms[] = {"systemd:", "fd:"};

    if (use == ENDPOINT_FOR_SERVER)
        return NULL;
    for (unsigned i = 0; i < ARRAY_LENGTH(bind_forms); i++) {
        if (strncmp(string, bind_forms[i], strlen(bind_forms[i])) == 0)
            return bind_forms[i];
    }
    return NULL;
}

/* A local address to connect from. */
static bool parse_source(const char *string, struct endpoint *endpoint, struct error *error)
{
    struct addr *addr = &endpoint->addr;

    endpoint->kind = ENDPOINT_IP;
    if (!addr_parse_ip(string, strlen(string), addr))
        return error_set(error, 0, "'%.300s' is no IP address%s", string,
                         strrchr(string, ':') != NULL ? "; a source has no port" : "");
    unmap(addr);
    if (is_wildcard(addr))
        return error_set(error, 0,
                         "'%s' is every address of this machine; name one, or leave the choice "
                         "to the kernel",
                         string);
    if (addr->family == AF_INET ? IN_MULTICAST(ntohl(addr->v4.s_addr))
                                : IN6_IS_ADDR_MULTICAST(&addr->v6))
        return error_set(error, 0, "'%s' is a multicast address: nothing connects from it", string);
    return true;
}

bool endpoint_parse(const char *string, enum endpoint_use use, bool may_be_bare,
                    struct endpoint *endpoint, struct error *error)
{
    int least_port = use == ENDPOINT_FOR_BIND ? 0 : 1;
    const char *later = later_form(string, use);
    const char *colon = strrchr(string, ':');

    if (use == ENDPOINT_FOR_SOURCE)
        return parse_source(string, endpoint, error);
    if (use == ENDPOINT_FOR_SERVER && strcmp(string, "original") == 0) {
        endpoint->kind = ENDPOINT_ORIGINAL;
        return true;
    }
    if (later != NULL)
        return error_set(error, ENDPOINT_IS_LATER,
                         "addresses '%s' are not available in this version", later);
    if (strncmp(string, "unix:", 5) == 0)
        return parse_unix(string, string + 5, endpoint, error);
    if (use == ENDPOINT_FOR_SERVER && strncmp(string, "builtin:", 8) == 0)
        return parse_builtin(string + 8, endpoint, error);
    if (use == ENDPOINT_FOR_SERVER && strncmp(string, "srv:", 4) == 0)
        return parse_srv(string, string + 4, endpoint, error);
    if (use == ENDPOINT_FOR_BIND && strncmp(string, "builtin:", 8) == 0)
        return error_set(error, 0, "'%s' is a server; nothing can listen there", string);
    if (colon == NULL || (string[0] == '[' && string[strlen(string) - 1] == ']')) {
        bool is_number = string[0] != '\0' && strspn(string, "0123456789") == strlen(string);

        if (is_number && may_be_bare)
            return parse_port(string, least_port, &endpoint->port, error) &&
                   parse_host(string, 0, use, endpoint, error);
        if (is_number)
            return error_set(error, 0, "'%s' needs a host: %s", string,
                             use == ENDPOINT_FOR_BIND
                                 ? ":PORT is all addresses, 127.0.0.1:PORT this machine alone"
                                 : "a server is host:port");
        return error_set(error, 0, "'%.300s' needs a port: host:port", string);
    }
    return parse_port(colon + 1, least_port, &endpoint->port, error) &&
           parse_host(string, (size_t)(colon - string), use, endpoint, error);
}

void endpoint_destroy(struct endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    free(endpoint->host);
    free(endpoint->name);
    free(endpoint->server_name);
    free(endpoint->addrs);
    free(endpoint);
}
