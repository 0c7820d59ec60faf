"""Chat templates by name, for base models, whose tokenizers bring none. Each is Jinja2, as in a tokenizer's own files.

A prompt must not begin with the question itself: pretrained models read their very first token badly.
"""

BY_NAME = {
    # Text alone, as a base model has read it a million times.
    "plain": (
        "{{ bos_token }}{% for message in messages %}"
        "{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
        "{% elif message['role'] == 'user' %}Question: {{ message['content'] }}\n"
        "{% else %}Answer:\n{{ message['content'] }}{{ eos_token }}\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}Answer:\n{% endif %}"
    ),
    # For vocabularies that have these tokens, as those of Qwen's base models; model.eos_tokens names the one that ends.
    "chatml": (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "alpaca": (
        "{{ bos_token }}{% for message in messages %}"
        "{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
        "{% elif message['role'] == 'user' %}### Instruction:\n{{ message['content'] }}\n\n"
        "{% else %}### Response:\n{{ message['content'] }}{{ eos_token }}\n\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}### Response:\n{% endif %}"
    ),
}
"""Name -> template, as in model.chat_template=plain."""
