"""pywa against the WhatsApp (Graph) simulator."""

import asyncio
import inspect
import json
import threading

from pywa import WhatsApp, errors, types, utils

from harness import SIMULATORS, Receiver, WAIT, check, control

HERE = SIMULATORS["whatsapp"]
