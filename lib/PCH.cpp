// Exists to give the shared precompiled header a translation unit.
