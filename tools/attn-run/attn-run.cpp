#include "attn/Tools/Main.h"

int main(int argc, char **argv) { return attn::runMain(argc, argv); }
