import { expect, test } from 'vitest'
import { artifactUrl } from './artifacts'

test.each([
  ['mlflow-artifacts:/1/abc/artifacts', 'plots/a b#1.png', '/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/plots/a%20b%231.png'],
  ['mlflow-artifacts://host:5000/1/abc/artifacts/', 'x.txt', '/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/x.txt'],
  ['/data/mlruns/1/abc/artifacts', 'x.txt', '/get-artifact?run_uuid=abc&path=x.txt'],
  [undefined, 'x.txt', '/get-artifact?run_uuid=abc&path=x.txt'],
])('of %s the file %s is read from %s', (uri, path, url) => expect(artifactUrl(uri, 'abc', path)).toBe(url))
