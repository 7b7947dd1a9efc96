#!/usr/bin/env bash
source "$(dirname "$0")/setup.sh"
source scripts/build.sh

port=${PORT:-4173}
if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
  die "port $port is in use; choose another one: PORT=$((port + 1)) make demo"
fi

say "Building the page"
build_page
say "Serving the page on http://127.0.0.1:$port/ (Ctrl-C stops it)"
cd www
exec vite preview --host 127.0.0.1 --port "$port" --strictPort
