"""Who the gateway is to AWS, Google and Azure: the clouds' own clients and the gateway ask the same fake cloud, and must
ask the same things and be granted the same keys."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import tidegate
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "eu-west-1"
USER = ("AKIDUSER", "user/secret+key")
ROLE = "arn:aws:iam::123456789012:role/gateway"
HELLO = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
# Names that each client makes up for itself.
OWN_NAMES = re.compile(r"^(botocore-session|tidegate)")
GRANT = """<{4}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{4}Result><Credentials><AccessKeyId>{0}</AccessKeyId><SecretAccessKey>{1}</SecretAccessKey><SessionToken>{2}</SessionToken>
<Expiration>{3}</Expiration></Credentials></{4}Result></{4}Response>"""


def later(hours: float = 1) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Cloud:
    """Grants whoever asks keys that depend on what was asked, so that equal keys mean equal questions."""

    def __init__(self):
        self.secrets = dict([USER])
        self.wrong: list[str] = []
        self.seen: list[tuple] = []
        self.used: list[dict] = []
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, text = cloud.answer(self.command, self.path, headers, body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def keys(self, *facts) -> tuple[str, str, str]:
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        keys = (f"ASIA{digest[:12].upper()}", f"s/{digest[12:44]}", f"t+{digest[44:]}=")
        self.secrets[keys[0]] = keys[1]
        return keys

    def document(self, *facts) -> str:
        key_id, secret, token = self.keys(*facts)
        return json.dumps({"Code": "Success", "AccessKeyId": key_id, "SecretAccessKey": secret, "Token": token,
                           "Expiration": later()})

    def signer(self, method: str, path: str, headers: dict, body: bytes) -> str | None:
        """Whose signature a request has, which botocore checks."""
        found = re.search(r"Credential=(\w+)/\d+/([\w-]+)/(\w+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)",
                          headers.get("authorization", ""))
        if not found:
            return None
        key_id, region, service, names, signature = found.groups()
        request = AWSRequest(method, f"{self.base}{path}", data=body, headers={it: headers[it] for it in names.split(";")})
        request.context["timestamp"] = headers["x-amz-date"]
        auth = SigV4Auth(Credentials(key_id, self.secrets.get(key_id, "?"), headers.get("x-amz-security-token")), service, region)
        if auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request) != signature:
            self.wrong.append(f"{path} is signed wrongly by {key_id}")
        return key_id

    def answer(self, method: str, path: str, headers: dict, body: bytes) -> tuple[int, str]:
        url = urlsplit(path)
        query, form = dict(parse_qsl(url.query)), dict(parse_qsl(body.decode()))
        match method, url.path:
            case "POST", "/":
                facts = {name: value for name, value in form.items() if not OWN_NAMES.match(value)}
                facts.pop("DurationSeconds", None)
                facts["by"] = self.signer(method, path, headers, body)
                keys = self.keys("sts", facts)
                self.seen.append(("sts", facts))
                return 200, GRANT.format(*keys, later(), form["Action"])
            case "GET", "/federation/credentials":
                key_id, secret, token = self.keys("sso", query, headers.get("x-amz-sso_bearer_token"))
                end = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
                return 200, json.dumps({"roleCredentials": {"accessKeyId": key_id, "secretAccessKey": secret,
                                                            "sessionToken": token, "expiration": end}})
            case "POST", "/token" if b"refreshToken" in body:
                asked = json.loads(body)
                self.seen.append(("oidc", asked))
                return 200, json.dumps({"accessToken": f"renewed by {asked['refreshToken']}", "expiresIn": 3600,
                                        "refreshToken": "next", "tokenType": "Bearer"})
            case "PUT", "/latest/api/token":
                return 200, f"session {headers['x-aws-ec2-metadata-token-ttl-seconds']}"
            case "GET", "/latest/meta-data/iam/security-credentials/":
                return (200, "machine-role") if headers.get("x-aws-ec2-metadata-token") == "session 21600" else (401, "")
            case "GET", "/latest/meta-data/iam/security-credentials/machine-role":
                return 200, self.document("imds", headers.get("x-aws-ec2-metadata-token"))
            case "GET", "/container":
                return 200, self.document("container", headers.get("authorization"))
            case "POST", "/sts/token" | "/oauth/token":
                facts = {name: json.loads(unquote(value)) if name == "options" else value for name, value in form.items()}
                self.seen.append((url.path, facts, headers.get("authorization")))
                token = "ya29." + hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]
                return 200, json.dumps({"access_token": token, "expires_in": 3600, "token_type": "Bearer",
                                        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})
            case "POST", "/iam/serviceAccounts/sa@p.iam.gserviceaccount.com:generateAccessToken":
                asked = json.loads(body)
                asked["delegates"] = asked.get("delegates") or []
                self.seen.append((url.path, asked, headers.get("authorization")))
                return 200, json.dumps({"accessToken": "ya29.as-" + headers["authorization"][-6:], "expireTime": later()})
            case "GET", "/subject":
                return 200, json.dumps({"value": f"subject of {headers.get('x-who')}"})
            case "POST", "/tenant/oauth2/v2.0/token":
                self.seen.append((url.path, form))
                return 200, json.dumps({"access_token": "entra.application", "expires_in": 3599, "token_type": "Bearer"})
            case "GET", "/metadata/identity/oauth2/token":
                self.seen.append((url.path, query, headers.get("metadata")))
                return 200, json.dumps({"access_token": "entra.machine", "expires_in": "86400", "token_type": "Bearer"})
            case "GET", "/msi":
                self.seen.append((url.path, query, headers.get("x-identity-header")))
                end = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
                return 200, json.dumps({"access_token": "entra.app-service", "expires_on": str(end)})
            case "POST", it if it.endswith("/converse"):
                self.used.append({"id": self.signer(method, path, headers, body), "token": headers.get("x-amz-security-token")})
                return 200, json.dumps({"output": {"message": {"role": "assistant", "content": [{"text": "At six."}]}},
                                        "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}})
            case "POST", it if it.endswith(":generateContent"):
                self.used.append({"token": headers.get("authorization"), "payer": headers.get("x-goog-user-project")})
                return 200, json.dumps({"candidates": [{"content": {"role": "model", "parts": [{"text": "At six."}]},
                                                        "finishReason": "STOP"}]})
            case "POST", it if "/openai/deployments/" in it:
                self.used.append({"token": headers.get("authorization"), "key": headers.get("api-key")})
                return 200, json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "At six."}, "finish_reason": "stop"}]})
        return 404, json.dumps({"message": f"no {method} {path}"})


@pytest.fixture
def cloud():
    cloud = Cloud()
    yield cloud
    cloud.server.shutdown()


def call(folder: Path, provider: str, config: dict, env: dict[str, str]) -> str:
    """Starts a gateway in this environment, has it make a call, and gives the answer."""
    name = "gemini-3" if provider == "vertex" else "m"
    file = folder / "gateway.yaml"
    file.write_text(json.dumps({"endpoints": [{"name": "chat", "endpoint_type": "llm/v1/chat",
                                               "model": {"provider": provider, "name": name, "config": config}}]}))
    with tidegate.Server.start("gateway", "--config", file, env=env) as gateway:
        response = gateway.post("/v1/chat/completions", HELLO)
        assert response.status_code == 200, response.text
        return response.json()["choices"][0]["message"]["content"]


# ---- AWS, judged by botocore

BOTOCORE = """
import json, botocore.session
keys = botocore.session.get_session().get_credentials().get_frozen_credentials()
print(json.dumps({"id": keys.access_key, "token": keys.token}))
"""

USER_KEYS = f"[user]\naws_access_key_id = {USER[0]}\naws_secret_access_key = {USER[1]}\n"
LOGIN = {"startUrl": "https://corp.awsapps.com/start", "region": REGION, "accessToken": "login", "expiresAt": later(),
         "clientId": "client", "clientSecret": "client s3cret", "registrationExpiresAt": later(48), "refreshToken": "first"}
SSO = f"""[default]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = developer
[sso-session corp]
sso_region = {REGION}
sso_start_url = {LOGIN['startUrl']}
"""
SSO_LEGACY = f"""[default]
sso_start_url = {LOGIN['startUrl']}
sso_region = {REGION}
sso_account_id = 123456789012
sso_role_name = developer
"""


def cached(name: str, **changes) -> dict[str, str]:
    return {f".aws/sso/cache/{hashlib.sha1(name.encode()).hexdigest()}.json": json.dumps(LOGIN | changes)}


# What the home folder holds, and what the environment says.
AWS = {
    "variables": ({}, {"AWS_ACCESS_KEY_ID": USER[0], "AWS_SECRET_ACCESS_KEY": USER[1], "AWS_SESSION_TOKEN": "t"}),
    "a profile": ({".aws/credentials": USER_KEYS}, {"AWS_PROFILE": "user"}),
    "a role": (
        {".aws/credentials": USER_KEYS, ".aws/config": f"[default]\nrole_arn = {ROLE}\nsource_profile = user\nexternal_id = x y\nrole_session_name = me\n"},
        {},
    ),
    "a role of a role": (
        {".aws/credentials": USER_KEYS, ".aws/config": f"[profile one]\nrole_arn = {ROLE}\nsource_profile = user\n[profile two]\nrole_arn = {ROLE}-two\nsource_profile = one\n"},
        {"AWS_PROFILE": "two"},
    ),
    "a role of the environment": (
        {".aws/config": f"[profile env]\nrole_arn = {ROLE}\ncredential_source = Environment\n[default]\n"},
        {"AWS_PROFILE": "env", "AWS_WEB_IDENTITY_TOKEN_FILE": ""},
    ),
    "a role of the machine": ({".aws/config": f"[default]\nrole_arn = {ROLE}\ncredential_source = Ec2InstanceMetadata\n"}, {}),
    "a role of a command": (
        {".aws/config": f"[default]\nrole_arn = {ROLE}\nsource_profile = command\n[profile command]\ncredential_process = COMMAND\n"},
        {},
    ),
    "a web identity": ({"token": "jwt.of.pod"}, {"AWS_WEB_IDENTITY_TOKEN_FILE": "HOME/token", "AWS_ROLE_ARN": ROLE, "AWS_ROLE_SESSION_NAME": "pod"}),
    "a web identity of a profile": ({"token": "jwt.of.pod", ".aws/config": f"[default]\nrole_arn = {ROLE}\nweb_identity_token_file = HOME/token\n"}, {}),
    "a login": ({".aws/config": SSO, **cached("corp")}, {}),
    "a login that is renewed": ({".aws/config": SSO, **cached("corp", expiresAt=later(-1))}, {}),
    "a login of the older kind": ({".aws/config": SSO_LEGACY, **cached(LOGIN["startUrl"])}, {}),
    "a command": ({".aws/config": "[default]\ncredential_process = COMMAND\n"}, {}),
    "a container": ({"token": "pod identity"}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "CLOUD/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "HOME/token"}),
    "a container without a file": ({}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "CLOUD/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod"}),
    "a machine": ({}, {}),
}


def environment(home: Path, files: dict[str, str], variables: dict[str, str], cloud: Cloud) -> dict[str, str]:
    command = f"{sys.executable} '{home}/print keys.py'"
    keys = cloud.keys("command")
    printed = {"Version": 1, "AccessKeyId": keys[0], "SecretAccessKey": keys[1], "SessionToken": keys[2], "Expiration": later()}

    def filled(text: str) -> str:
        return text.replace("COMMAND", command).replace("HOME", str(home)).replace("CLOUD", cloud.base)

    for name, text in {**files, "print keys.py": f"print({json.dumps(json.dumps(printed))})"}.items():
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(filled(text))
    empty = [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "IDENTITY_"))]
    return {
        **dict.fromkeys(empty, ""),
        "HOME": str(home),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_STS": cloud.base,
        "AWS_ENDPOINT_URL_SSO": cloud.base,
        "AWS_ENDPOINT_URL_SSO_OIDC": cloud.base,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.base,
        **{name: filled(value) for name, value in variables.items()},
    }


@pytest.mark.parametrize("way", AWS)
def test_aws_keys_are_those_that_botocore_finds(way, cloud, tmp_path):
    files, variables = AWS[way]
    if way == "a role of the environment":
        variables = {**variables, "AWS_ACCESS_KEY_ID": USER[0], "AWS_SECRET_ACCESS_KEY": USER[1]}
    homes = [tmp_path / "botocore", tmp_path / "tidegate"]
    envs = [environment(home, files, variables, cloud) for home in homes]
    # Botocore takes a variable that is set to nothing for a value.
    judged = {**os.environ, **envs[0]}
    judged = {name: value for name, value in judged.items() if value}
    expected = subprocess.run([sys.executable, "-c", BOTOCORE], env=judged, capture_output=True, text=True, timeout=60, check=False)
    assert expected.returncode == 0, expected.stderr
    asked, cloud.seen = cloud.seen, []

    assert call(tmp_path, "bedrock", {"aws_region": REGION, "api_base": cloud.base}, envs[1]) == "At six."
    if way == "a role of the environment":
        # Botocore prefers the variables to the role of a profile that variables name, and so do we.
        assert cloud.seen == asked
    assert cloud.used == [json.loads(expected.stdout)]
    assert cloud.seen == asked
    assert cloud.wrong == []
    if way == "a login that is renewed":
        name = next(iter(cached("corp")))
        left = [json.loads((home / name).read_text()) for home in homes]
        for it in left:
            assert datetime.fromisoformat(it.pop("expiresAt").replace("UTC", "Z")) > datetime.now(UTC) + timedelta(minutes=50)
        assert left[1] == left[0]
        assert (homes[1] / name).stat().st_mode & 0o077 == 0


# ---- Google, judged by google-auth

GOOGLE_AUTH = """
import sys, google.auth, google.auth.external_account, google.auth.transport.requests
# The project's name would be asked for at Google.
google.auth.external_account.Credentials.get_project_id = lambda *_, **__: None
keys, _ = google.auth.load_credentials_from_file(sys.argv[1], scopes=["https://www.googleapis.com/auth/cloud-platform"])
keys.refresh(google.auth.transport.requests.Request())
print(keys.token)
"""
JWT = "urn:ietf:params:oauth:token-type:jwt"
IMPERSONATION = "CLOUD/iam/serviceAccounts/sa@p.iam.gserviceaccount.com:generateAccessToken"
POOL = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/p",
    "subject_token_type": JWT,
    "token_url": "CLOUD/sts/token",
}
# Google's client asks for a plain user's tokens at Google alone, whatever the file says.
PERSON = {
    "type": "external_account_authorized_user",
    "audience": "//iam.googleapis.com/locations/global/workforcePools/w/providers/p",
    "client_id": "c", "client_secret": "s", "refresh_token": "1//w", "token_url": "CLOUD/oauth/token", "token_info_url": "CLOUD/oauth/info",
}
GOOGLE = {
    "a file": POOL | {"credential_source": {"file": "HOME/subject"}},
    "a field of a file": POOL | {"credential_source": {"file": "HOME/subject.json", "format": {"type": "json", "subject_token_field_name": "value"}}},
    "a url, impersonating": POOL | {
        "credential_source": {"url": "CLOUD/subject", "headers": {"x-who": "pod"}, "format": {"type": "json", "subject_token_field_name": "value"}},
        "service_account_impersonation_url": IMPERSONATION,
        "service_account_impersonation": {"token_lifetime_seconds": 1800},
        "quota_project_id": "payer",
    },
    "a command": POOL | {"credential_source": {"executable": {"command": f"{sys.executable} HOME/command.py", "timeout_millis": 20000}}},
    "a workforce": POOL | {
        "audience": "//iam.googleapis.com/locations/global/workforcePools/pool/providers/p",
        "workforce_pool_user_project": "12345",
        "credential_source": {"file": "HOME/subject"},
    },
    "a workforce's client": POOL | {"client_id": "c", "client_secret": "s", "credential_source": {"file": "HOME/subject"}},
    "a person of a workforce": PERSON,
}
COMMAND = f"""
import json, os
told = {{name[24:]: value for name, value in os.environ.items() if name.startswith("GOOGLE_EXTERNAL_ACCOUNT_")}}
print(json.dumps({{"version": 1, "success": True, "token_type": {JWT!r}, "expiration_time": 9999999999,
                  "id_token": told["AUDIENCE"] + told["TOKEN_TYPE"] + told["INTERACTIVE"]}}))
"""


@pytest.mark.parametrize("way", GOOGLE)
def test_google_is_asked_as_its_own_client_asks(way, cloud, tmp_path):
    (tmp_path / "subject").write_text("jwt.of.pod")
    (tmp_path / "subject.json").write_text('{"value": "jwt.of.pod"}')
    (tmp_path / "command.py").write_text(COMMAND)
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(GOOGLE[way]).replace("HOME", str(tmp_path)).replace("CLOUD", cloud.base))
    env = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
    judge = subprocess.run([sys.executable, "-c", GOOGLE_AUTH, file], env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False)
    assert judge.returncode == 0, judge.stderr
    asked, cloud.seen = cloud.seen, []

    env["GOOGLE_APPLICATION_CREDENTIALS"] = str(file)
    assert call(tmp_path, "vertex", {"vertex_project": "p-1", "api_base": cloud.base}, env) == "At six."
    for _, facts, *_ in asked + cloud.seen:
        # A refresh token has its scopes already.
        if facts.get("grant_type") == "refresh_token":
            facts.pop("scope", None)
    assert cloud.seen == asked
    assert len(asked) == (2 if "service_account_impersonation_url" in GOOGLE[way] else 1)
    payer = GOOGLE[way].get("quota_project_id")
    assert [it["payer"] for it in cloud.used] == [payer]
    if "impersonating" not in way:
        assert cloud.used[0]["token"] == f"Bearer {judge.stdout.strip()}"


# ---- Azure, whose own clients speak to no server without TLS: held against its documentation

SCOPE = "https://cognitiveservices.azure.com/.default"
RESOURCE = "https://cognitiveservices.azure.com"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
APPLICATION = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "app"}
AZURE = {
    "an application": (
        {**APPLICATION, "AZURE_CLIENT_SECRET": "s/+"}, {}, "entra.application",
        ("/tenant/oauth2/v2.0/token", {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s/+", "scope": SCOPE}),
    ),
    "a workload": (
        {**APPLICATION, "AZURE_FEDERATED_TOKEN_FILE": "HOME/subject"}, {}, "entra.application",
        ("/tenant/oauth2/v2.0/token", {"grant_type": "client_credentials", "client_id": "app", "scope": SCOPE,
                                       "client_assertion_type": ASSERTION, "client_assertion": "jwt.of.pod"}),
    ),
    "a machine": (
        {}, {}, "entra.machine",
        ("/metadata/identity/oauth2/token", {"api-version": "2018-02-01", "resource": RESOURCE}, "true"),
    ),
    "one of a machine's identities": (
        {}, {"client_id": "mine", "azure_scope": "https://ai.azure.com/.default"}, "entra.machine",
        ("/metadata/identity/oauth2/token", {"api-version": "2018-02-01", "resource": "https://ai.azure.com", "client_id": "mine"}, "true"),
    ),
    "an app service": (
        {"IDENTITY_ENDPOINT": "CLOUD/msi", "IDENTITY_HEADER": "h"}, {}, "entra.app-service",
        ("/msi", {"api-version": "2019-08-01", "resource": RESOURCE}, "h"),
    ),
    "an application of the file": (
        {"SECRET": "s"}, {"tenant_id": "tenant", "client_id": "app", "client_secret": "$SECRET"}, "entra.application",
        ("/tenant/oauth2/v2.0/token", {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s", "scope": SCOPE}),
    ),
}


@pytest.mark.parametrize("way", AZURE)
def test_azure_is_asked_as_entra_wants_it(way, cloud, tmp_path):
    variables, settings, token, asked = AZURE[way]
    env = environment(tmp_path, {"subject": "jwt.of.pod\n"}, variables, cloud)
    env |= {"AZURE_AUTHORITY_HOST": cloud.base, "AZURE_POD_IDENTITY_AUTHORITY_HOST": cloud.base}
    config = {"openai_api_type": "azuread", "openai_api_base": cloud.base, "openai_api_version": "2025-04-01",
              "openai_deployment_name": "d", **settings}
    assert call(tmp_path, "azure", config, env) == "At six."
    assert cloud.seen == [asked]
    assert cloud.used == [{"token": f"Bearer {token}", "key": None}]
