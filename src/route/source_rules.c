/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_rules.c - source prefixes in path-compressed binary tries, one per address family.
 *
 * A node stands for a prefix and is the parent of longer ones that begin with it; a node without a
 * route is only a fork. So n prefixes need at most 2n - 1 nodes, and a look-up follows at most one
 * node per bit.
 */
#include "route/source_rules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_BYTES 16

struct source_node {
    unsigned char bytes[ADDRESS_BYTES]; /* the first `bits` count, the others are zero */
    unsigned bits;
    const struct route *route;    /* NULL: a fork only */
    struct source_node *child[2]; /* by the bit behind the prefix */
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

static struct source_node *node_create(const unsigned char *bytes, unsigned bits)
{
    struct source_node *node = calloc(1, sizeof(*node));

    if (node == NULL)
        return NULL;
    node->bits = bits;
    memcpy(node->bytes, bytes, (bits + 7) / 8);
    if (bits % 8 != 0)
        node->bytes[bits / 8] &= (unsigned char)(0xff00 >> (bits % 8));
    return node;
}

/* The node of exactly this prefix, made when there is none; NULL without memory. */
static struct source_node *node_at(struct source_node **place, const unsigned char *bytes,
                                   unsigned bits)
{
    while (*place != NULL) {
        struct source_node *node = *place;
        unsigned most = node->bits < bits ? node->bits : bits;
        unsigned common = common_bits(node->bytes, bytes, most);

        if (common < node->bits) {
            /* The paths part inside this node's prefix: put a shorter one above it. */
            struct source_node *above = node_create(bytes, common);

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
static void trie_destroy(struct source_node *root)
{
    while (root != NULL) {
        struct source_node *node = root;

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

void source_rules_release(struct source_rules *rules)
{
    trie_destroy(rules->v4);
    trie_destroy(rules->v6);
    *rules = (struct source_rules){.every = NULL};
}

const struct route **source_rules_at(struct source_rules *rules, const struct prefix *source)
{
    struct source_node *node;

    if (source == NULL)
        return &rules->every;
    node = node_at(source->family == AF_INET ? &rules->v4 : &rules->v6,
                   (const unsigned char *)&source->v6, source->bits);
    return node == NULL ? NULL : &node->route;
}

static const struct source_node *trie_find(const struct source_node *node,
                                           const unsigned char *bytes, unsigned bits)
{
    const struct source_node *best = NULL;

    while (node != NULL && common_bits(node->bytes, bytes, node->bits) == node->bits) {
        if (node->route != NULL)
            best = node;
        if (node->bits == bits)
            break;
        node = node->child[bit_at(bytes, node->bits)];
    }
    return best;
}

const struct route *source_rules_find(const struct source_rules *rules, const struct addr *client,
                                      int *bits)
{
    const struct source_node *node = NULL;

    if (client->family == AF_INET)
        node = trie_find(rules->v4, (const unsigned char *)&client->v4, 32);
    else if (client->family == AF_INET6)
        node = trie_find(rules->v6, (const unsigned char *)&client->v6, 128);
    *bits = node == NULL ? -1 : (int)node->bits;
    return node == NULL ? rules->every : node->route;
}
