#include "contract/stock_suite.h"
#include "stock/memory/memory.h"

int main(void)
{
	static const struct stock_factory factory = {.name = "stock: memory", .make = stock_memory_new};

	return stock_suite_run(&factory);
}
