#include "base/node.h"

static struct node process_node;

_Thread_local struct node *node_current = &process_node;

struct node *node_enter(struct node *node)
{
	struct node *before = node_current;

	node_current = node ? node : &process_node;
	return before;
}
