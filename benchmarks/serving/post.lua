-- wrk: post one row of CSV, and print what wrk measured as JSON on the last line.
wrk.method = "POST"
wrk.headers["Content-Type"] = "text/csv"
-- Without a body the answer is 204 and no prediction, which would look fast.
wrk.body = assert(os.getenv("ROW"), "ROW is not set")

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests_per_second": %.1f, "p50_ms": %.4f, "p99_ms": %.4f, "failed": %d}\n',
    summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
