/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router.c - source prefixes in path-compressed binary tries, one per address family.
 *
 * A node stands for a prefix and is the parent of longer ones that begin with it; a node without a
 * route is only a fork. So n prefixes need at most 2n - 1 nodes, and a look-up follows at most one
 * node per bit.
 */
#include "route/router.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_BYTES 16

struct node {
    unsigned char bytes[ADDRESS_BYTES]; /* the first `bits` count, the others are zero */
    unsigned bits;
    const struct route *route; /* NULL: a fork only */
    struct node *child[2];     /* by the bit behind the prefix */
};

struct router {
    struct pool *fallback;
    const struct route *every; /* the route without a prefix */
    struct node *v4;
    struct node *v6;
};

static unsigned bit_at(const unsigned char *bytes, unsigned position)
{
    return (bytes[position / 8] >> (7 - position % 8)) & 1;
}

/* How many leading bits are the same, at most `most`. */
static unsigned common_bits(const unsigned char *a, const unsigned char *b, unsigned most)
{
    unsigned bits = 0;

    while (bits + 8 <= most && a[bits / 8] == b[bits / 8])
        bits += 8;
    while (bits < most && bit_at(a, bits) == bit_at(b, bits))
        bits++;
    return bits;
}

static struct node *node_create(const unsigned char *bytes, unsigned bits)
{
    struct node *node = calloc(1, sizeof(*node));

    if (node == NULL)
        return NULL;
    node->bits = bits;
    memcpy(node->bytes, bytes, (bits + 7) / 8);
    if (bits % 8 != 0)
        node->bytes[bits / 8] &= (unsigned char)(0xff00 >> (bits % 8));
    return node;
}

/* The node of exactly this prefix, made when there is none; NULL without memory. */
static struct node *node_at(struct node **place, const unsigned char *bytes, unsigned bits)
{
    while (*place != NULL) {
        struct node *node = *place;
        unsigned most = node->bits < bits ? node->bits : bits;
        unsigned common = common_bits(node->bytes, bytes, most);

        if (common < node->bits) {
            /* The paths part inside this node's prefix: put a shorter one above it. */
            struct node *above = node_create(bytes, common);

            if (above == NULL)
                return NULL;
            above->child[bit_at(node->bytes, common)] = node;
            *place = above;
            continue;
        }
        if (node->bits == bits)
            return node;
        place = &node->child[bit_at(bytes, node->bits)];
    }
    *place = node_create(bytes, bits);
    return *place;
}

/* Frees without recursion: a freed node's children take its place. */
static void trie_destroy(struct node *root)
{
    while (root != NULL) {
        struct node *node = root;

        if (node->child[0] == NULL) {
            root = node->child[1];
            free(node);
            continue;
        }
        /* Turn the left child up: it becomes the root and this node its right child. */
        root = node->child[0];
        node->child[0] = root->child[1];
        root->child[1] = node;
    }
}

struct router *router_create(struct pool *fallback)
{
    struct router *router = calloc(1, sizeof(*router));

    if (router != NULL)
        router->fallback = fallback;
    return router;
}

void router_destroy(struct router *router)
{
    if (router == NULL)
        return;
    trie_destroy(router->v4);
    trie_destroy(router->v6);
    free(router);
}

bool router_add(struct router *router, const struct route_match *match, const struct route *route,
                const struct route **other)
{
    const struct prefix *prefix = match->source;
    const struct route **place = &router->every;

    *other = NULL;
    if (prefix != NULL) {
        struct node **root = prefix->family == AF_INET ? &router->v4 : &router->v6;
        struct node *node = node_at(root, (const unsigned char *)&prefix->v6, prefix->bits);

        if (node == NULL)
            return false;
        place = &node->route;
    }
    if (*place != NULL) {
        *other = *place;
        return false;
    }
    *place = route;
    return true;
}

static const struct route *trie_find(const struct node *node, const unsigned char *bytes,
                                     unsigned bits)
{
    const struct route *best = NULL;

    while (node != NULL && common_bits(node->bytes, bytes, node->bits) == node->bits) {
        if (node->route != NULL)
            best = node->route;
        if (node->bits == bits)
            break;
        node = node->child[bit_at(bytes, node->bits)];
    }
    return best;
}

bool router_needs_hello(const struct router *router)
{
    (void)router;
    return false;
}

struct route_choice router_choose(const struct router *router, const struct route_client *client)
{
    const struct addr *addr = client->addr;
    const struct route *route = NULL;

    if (addr->family == AF_INET)
        route = trie_find(router->v4, (const unsigned char *)&addr->v4, 32);
    else if (addr->family == AF_INET6)
        route = trie_find(router->v6, (const unsigned char *)&addr->v6, 128);
    if (route == NULL)
        route = router->every;
    return (struct route_choice){.route = route,
                                 .pool = route == NULL ? router->fallback : route->pool};
}
