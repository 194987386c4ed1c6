# Filled by tools/build --package.
