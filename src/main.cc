#include "cli/cli.h"

int main(int argc, char** argv) { return causeway::cli::main(argc, argv); }
