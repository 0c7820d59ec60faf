"""What a user of TRL types, and the setting of ours that decides the matter. Loads neither TRL nor torch."""

_BY_OWNER = {
    "run_dir": "output_dir",
    "resume": "resume_from_checkpoint",
    "seed": "seed data_seed",
    "tracker": "report_to run_name project trackio_space_id trackio_bucket_id trackio_static_space_id",
    "train.steps": "max_steps",
    "train.epochs": "num_train_epochs",
    "train.max_completion_tokens": "max_completion_length",
    "train.adam_betas": "adam_beta1 adam_beta2",
    "train.save_every": "save_strategy save_steps",
    "train.keep_checkpoints": "save_total_limit",
    "train.eval_every": "eval_strategy eval_steps eval_delay eval_on_start do_eval",
    "train.rollouts_every": "log_completions num_completions_to_print log_unique_prompts",
    "train.rl.schedule": "lr_scheduler_type lr_scheduler_kwargs",
    "train.rl.warmup": "warmup_steps",
    "train.rl.loss": "loss_type",
    "train.rl.updates_per_batch": "num_iterations",
    "train.rl.ratio": "importance_sampling_level",
    "train.rl.importance_cap": "vllm_importance_sampling_correction vllm_importance_sampling_mode"
    " vllm_importance_sampling_clip_max",
    "train.rl.entropy_bonus": "entropy_coef use_adaptive_entropy",
    "train.rl.ref_sync_steps": "sync_ref_model ref_model_sync_steps ref_model_mixup_alpha",
    "method.group_size": "num_generations",
    "reward.terms": "reward_weights",
    "hardware.device": "use_cpu",
    "hardware.precision": "bf16 fp16 bf16_full_eval fp16_full_eval",
    "hardware.activation_checkpointing": "activation_checkpointing gradient_checkpointing",
    "hardware.collective_timeout_seconds": "ddp_timeout",
    "hardware.deepspeed": "deepspeed fsdp fsdp_config",
    "hardware.generation_batch": "generation_batch_size",
    "hardware.micro_batch": "per_device_train_batch_size gradient_accumulation_steps"
    " steps_per_generation auto_find_batch_size",
    "model.path": "model_init_kwargs",
    "model.chat_template": "chat_template_kwargs",
    "rollout.engine": "use_vllm use_transformers_paged use_transformers_continuous_batching",
    "eval.best": "load_best_model_at_end metric_for_best_model",
    "eval.samples": "num_generations_eval",
    "eval.sets": "per_device_eval_batch_size",
}
_SAME_NAME = (
    "train.max_grad_norm train.weight_decay train.rl.learning_rate train.rl.scale_rewards"
    " train.rl.beta train.rl.epsilon train.rl.epsilon_high"
    " train.rl.temperature train.rl.top_p train.rl.top_k model.trust_remote_code"
)
OWNERS = {
    **{key: owner for owner, keys in _BY_OWNER.items() for key in keys.split()},
    **{owner.rpartition(".")[2]: owner for owner in _SAME_NAME.split()},
}
"""Field of trl.GRPOConfig -> the setting of ours that decides it."""

TYPED = {
    "use_vllm": "rollout=vllm_colocate or rollout=vllm_server",
    "load_best_model_at_end": "eval.best=true",
    "report_to": "tracker=wandb or another one",
    "gradient_checkpointing": "hardware.activation_checkpointing=true",
    "deepspeed": "hardware=zero2 or another one",
}
"""Field of trl.GRPOConfig -> what to type here, where that is not the name of its setting."""

_PUSH = "hybrid-rl-push RUN_DIR OWNER/NAME uploads the model, once the run is done"
ELSEWHERE = {
    "push_to_hub": _PUSH,
    "hub_model_id": _PUSH,
    "hub_private_repo": f"{_PUSH}; it makes a private repository, unless --public is given",
    "hub_token": f"{_PUSH}; it reads HF_TOKEN, or what `hf auth login` has saved",
    "hub_strategy": _PUSH,
    "hub_always_push": _PUSH,
    "use_liger_kernel": "on a GPU TRL's own kernel computes logits in pieces; leave it out",
    "optim": "AdamW in PyTorch's own form steps the weights; leave it out",
}
"""Field of trl.GRPOConfig that no setting decides -> what there is in its place."""

FLAGS = {
    "model_name_or_path": "model.path",
    "dataset_name": "data.train.path",
    "dataset_train_split": "data.train.split",
    "dataset_config": "data.train.config",
    "reward_funcs": "reward.verifier",
    "attn_implementation": "model.attention",
    "dtype": "model.dtype",
    "lora_r": "model.lora.rank",
    "lora_alpha": "model.lora.alpha",
    "lora_dropout": "model.lora.dropout",
    "lora_target_modules": "model.lora.target_modules",
    "early_stopping_patience": "train.patience",
}
"""Flag of `trl grpo` and `trl sft` that is no field of GRPOConfig -> the setting of ours."""
