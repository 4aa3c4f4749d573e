import os
from pathlib import Path

import requests
from flask import Flask, request
from standardwebhooks import Webhook, WebhookVerificationError

JOBS = os.environ.get("API_URL", "http://localhost:8000") + "/v1/jobs"
BEARER = {"Authorization": f"Bearer {os.environ.get('API_KEY', '')}"}
HOOK = os.environ.get("SERVICE_URL", "http://localhost:5000") + "/webhook"
SECRET = os.environ.get("WEBHOOK_SECRET") or Path("data/webhook_secret").read_text()
app, images = Flask(__name__), {}  # a real service uses its database
app.register_error_handler(WebhookVerificationError, lambda error: (str(error), 400))
app.get("/images")(lambda: images)


@app.post("/order")
def order():
    job = {"provider": "acedata-flux", "prompt": request.args["prompt"], "webhook_url": HOOK}
    key = {"Idempotency-Key": request.args["order"]}  # an order sent twice is one job
    response = requests.post(JOBS, json=job, headers=BEARER | key, timeout=10)
    return response.json(), response.status_code


@app.post("/webhook")
def webhook():
    job = Webhook(SECRET).verify(request.get_data(), dict(request.headers))["data"]
    images[job["id"]] = [f"{JOBS}/{job['id']}/images/{i['index']}" for i in job["images"]]
    return "", 204
