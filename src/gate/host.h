/*
 * The name that a request was sent to. A page from anywhere can have its own name point at
 * 127.0.0.1 and then read from there with the reader's browser (DNS rebinding); the browser still
 * sends the page's name as Host. So a listener that is not for everybody answers only to names that
 * nobody else can have: those of loopback, its own address, and those that a setting lists.
 */
#pragma once

#include <stdbool.h>
#include "base/address.h"

/*
 * `host`: the Host header, with its port or without; absent (HTTP/1.0) is fine, for no browser does
 * that. `hosts`: further names, comma-separated. `local`: the address that the connection was made
 * to.
 */
bool host_allowed(struct slice host, struct slice hosts, const struct address *local);
