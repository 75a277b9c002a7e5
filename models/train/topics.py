"""The gateway's stable topic names and the mapping from each data set's own labels."""

NONE = "none"

_BITEXT = {
    "check_cancellation_fee": "cancellation_fee", "cancel_order": "cancel_order", "change_order": "change_order",
    "place_order": "place_order", "track_order": "order_status", "delivery_period": "shipping",
    "delivery_options": "shipping", "get_refund": "refund", "track_refund": "refund",
    "check_refund_policy": "refund", "check_payment_methods": "payment", "payment_issue": "payment",
    "check_invoice": "invoice", "get_invoice": "invoice", "contact_human_agent": "contact_human",
    "contact_customer_service": "contact_human", "switch_account": "account", "edit_account": "account",
    "create_account": "account", "delete_account": "account", "registration_problems": "account",
    "recover_password": "password", "review": "feedback", "complaint": "complaint",
    "set_up_shipping_address": "delivery_address", "change_shipping_address": "delivery_address",
    "newsletter_subscription": "newsletter",
}  # fmt: skip

_CLINC_INTENTS = {
    "oos": NONE, "order_status": "order_status", "order": "place_order", "greeting": "greeting",
    "goodbye": "greeting", "thank_you": "greeting", "yes": "confirmation", "no": "confirmation",
    "maybe": "confirmation", "definition": "general_question", "calculator": "general_question",
    "spelling": "general_question", "measurement_conversion": "general_question",
    "translate": "general_question", "tell_joke": "chitchat", "fun_fact": "chitchat",
}  # fmt: skip
_CLINC_CATEGORIES = {
    "banking": "banking", "credit_cards": "banking", "travel": "travel", "kitchen_and_dining": "food",
    "small_talk": "chitchat", "work": "work_hr", "home": "device_command", "utility": "device_command",
    "meta": "device_command", "auto_and_commute": "vehicle",
}  # fmt: skip

_MULTIDOGO = {
    "changeseatassignment": "travel", "getboardingpass": "travel", "bookflight": "travel", "getseatinfo": "travel",
    "orderdrinkintent": "place_order", "orderpizzaintent": "place_order", "orderburgerintent": "place_order",
    "ordersaladintent": "place_order", "orderdessertintent": "place_order", "ordersideintent": "place_order",
    "orderbreakfastintent": "place_order", "startorder": "place_order", "changeorder": "change_order",
    "stoporder": "cancel_order", "startserviceintent": "subscription", "upgradeserviceintent": "subscription",
    "transferserviceintent": "subscription", "cancelserviceintent": "subscription",
    "getchannelpackageintent": "subscription", "viewdatausageintent": "subscription",
    "getinformationintent": "product_info", "viewbillsintent": "invoice", "updateaccountinfo": "account",
    "reportbrokensoftware": "technical_issue", "softwareupdate": "technical_issue",
    "checkserverstatus": "technical_issue", "expensereport": "work_hr", "openinggreeting": "greeting",
    "closinggreeting": "greeting", "thankyou": "greeting", "confirmation": "confirmation",
    "rejection": "confirmation",
}  # fmt: skip

_NLU_CATEGORIES = {
    "alarm": "device_command", "iot": "device_command", "audio": "device_command", "play": "device_command",
    "music": "device_command", "calendar": "device_command", "lists": "device_command", "email": "device_command",
    "weather": "device_command", "qa": "general_question", "transport": "travel", "cooking": "food",
}  # fmt: skip
_NLU_INTENTS = {
    "general_affirm": "confirmation", "general_confirm": "confirmation", "general_negate": "confirmation",
    "general_joke": "chitchat", "general_praise": "chitchat", "takeaway_order": "place_order",
}  # fmt: skip


def topic_of(row):
    """Topic of a support row, or None when its own label says too little (slot answers and the like)."""
    if row["file"] == "bitext":
        return _BITEXT[row["intent"]]
    if row["file"] == "clinc150":
        return _CLINC_INTENTS.get(row["intent"]) or _CLINC_CATEGORIES[row["category"]]
    if row["file"] == "multidogo_customer_turns":
        return _MULTIDOGO.get(row["intent"]) if len(row["intents"]) == 1 else None
    return _NLU_INTENTS.get(row["intent"]) or _NLU_CATEGORIES.get(row["category"])
