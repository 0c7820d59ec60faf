"""TRL's configuration made from ours. What is constant here, the method and the trainer decide per update."""

from pathlib import Path

from trl.trainer.grpo_config import GRPOConfig

from hybrid_rl.config.settings import Settings


def build(settings: Settings) -> GRPOConfig:
    """TRL's configuration. With ZeRO-3 it must exist before the model is loaded."""
    train, rl, hardware = settings.train, settings.train.rl, settings.hardware
    batch = settings.batch
    # Where TRL does not sample, its check of groups has to be passed still; rows are cut without it.
    samples = settings.method.group_size is not None and not settings.composes
    return GRPOConfig(
        output_dir=str(Path(settings.run_dir) / "checkpoints"),
        max_steps=train.steps,
        per_device_train_batch_size=batch.micro_batch if samples else 2,
        gradient_accumulation_steps=batch.accumulation,
        steps_per_generation=batch.accumulation,
        num_iterations=1,
        num_generations=batch.group_size if samples else 2,
        max_completion_length=train.max_completion_tokens,
        temperature=rl.temperature,
        top_p=rl.top_p,
        top_k=rl.top_k,
        loss_type=rl.loss,
        scale_rewards=rl.scale_rewards,
        entropy_coef=rl.entropy_bonus,
        beta=0.0,  # the reference is made from the loaded model, see add_reference
        ref_model_sync_steps=rl.ref_sync_steps or train.steps + 1,
        ref_model_mixup_alpha=1.0,
        learning_rate=rl.learning_rate,
        lr_scheduler_type="constant",  # each update sets its own, see _set_learning_rate
        weight_decay=train.weight_decay,
        adam_beta1=train.adam_betas[0],
        adam_beta2=train.adam_betas[1],
        max_grad_norm=train.max_grad_norm,
        seed=settings.seed,
        use_cpu=hardware.device == "cpu",
        bf16=hardware.in_bfloat16,
        activation_checkpointing=hardware.activation_checkpointing,
        deepspeed=hardware.deepspeed,
        ddp_find_unused_parameters=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=train.save_every or train.steps,
        report_to="none",
        disable_tqdm=True,
        **settings.trl,
    )
