#include "contract/stock_suite.h"
#include "stock/memory.h"

int main(void)
{
	static const struct stock_factory factory = {"stock: memory", stock_memory_new, NULL};

	return stock_suite_run(&factory);
}
