module mitmkube.invalid/bench/load

go 1.21
